"""Welsh sentences in the manner of Common Voice.

Words stand in the table in the form that their place asks for, with the initial mutation.
"""

VOICES = {"cy": ""}

RULES = {
    "SENTENCE": """NOW . | NOW . | NOW heddiw . | PAST . | PAST PAST_WHEN . | PAST PAST_WHEN . | FUTURE .
        | FUTURE FUTURE_WHEN . | NOW ond PAST . | PAST ac PAST . | QUESTION ? | QUESTION ? | WISH .""",
    "NOW": """mae WHO yn DOING | mae WHO yn DOING PLACE | mae WHO yn BEING PLACE | mae THE_THING yn QUALITY
        | dw i'n DOING PLACE | rydyn ni'n DOING | maen nhw'n BEING PLACE | dydy WHO ddim yn DOING
        | mae COUNTED PLACE | mae MASCULINE newydd PLACE | dw i ddim yn gallu DOING""",
    "PAST": """roedd WHO yn DOING | roedd WHO yn DOING PLACE | roedd WHO yn BEING PLACE | roedd THE_THING yn QUALITY
        | roedd COUNTED PLACE | roeddwn i'n DOING | doedd WHO ddim yn BEING PLACE | aeth WHO TARGET
        | daeth WHO TARGET gyda WITH""",
    "FUTURE": """bydd WHO yn DOING | bydd WHO yn DOING PLACE | bydd WHO yn BEING PLACE | bydda i'n DOING
        | bydd THE_THING yn QUALITY | byddwn ni'n mynd TARGET gyda WITH""",
    "QUESTION": """ydy WHO yn DOING | ydy WHO yn BEING PLACE | ble mae THE_THING | pwy sy'n DOING PLACE
        | pam roedd WHO yn DOING | wyt ti'n DOING heno | ydych chi'n BEING PLACE | pryd bydd WHO yn mynd TARGET
        | pwy oedd yn BEING PLACE | oes COUNTED PLACE""",
    "WISH": """hoffwn i WANTED THING | hoffai WHO WANTED THING | rhaid i ni WANTED THE_THING PLACE
        | mae'n rhaid i mi WANTED THING cyn cinio | peidiwch â mynd TARGET heb WITH""",
    "WHO": """y PERSON | y PERSON | yr athro | yr athrawes | y ferch | y fenyw | y gath | y gantores | fy mrawd
        | fy chwaer | fy nhad | fy mam | eu tad-cu | ein cymydog | NAME | NAME | NAME | pawb | yr eneth
        | y frenhines""",
    "PERSON": """bachgen | plentyn | ffermwr | meddyg | postmon | pysgotwr | garddwr | brenin | cogydd | gyrrwr
        | dyn | milwr | saer | peintiwr | ci | ceffyl | myfyriwr | bardd | canwr | teithiwr""",
    "NAME": "Siân | Gwenllian | Rhys | Dafydd | Nia | Llŷr | Elin | Huw | Angharad | Tomos | Lowri | Siôn",
    "WITH": "NAME | ei ffrindiau | y plant | ei deulu | y ci | fy chwaer | yr athrawes",
    "DOING": """darllen THING | prynu THING | gwerthu THING | gweld THING | cario THING | paentio THING
        | glanhau THE_THING | cuddio THE_THING | colli THE_THING | trwsio THE_THING | anghofio THE_THING
        | prynu NUMBERED | gwerthu NUMBERED | disgrifio THE_THING | agor THE_THING | chwarae FUN | coginio FOOD
        | bwyta FOOD | dysgu LANGUAGE | siarad LANGUAGE | gwrando ar HEARD""",
    "WANTED": "brynu | werthu | weld | gario | baentio | guddio | drwsio | gael | ddisgrifio | dynnu",
    "BEING": """canu | cysgu | gweithio | chwarae | cerdded | rhedeg | nofio | aros | dawnsio | siarad | byw
        | eistedd | astudio | gorffwys | chwerthin""",
    "FUN": "cerddoriaeth | y piano | y delyn | pêl-droed | gwyddbwyll | y radio | y gitâr",
    "HEARD": "y radio | y delyn | y piano | gerddoriaeth | y plant | yr adar",
    "FOOD": "bara | caws | cawl | pysgod | cinio | swper | tatws | afalau | cig oen | bara brith",
    "LANGUAGE": "Cymraeg | Ffrangeg | Eidaleg | Saesneg | Almaeneg | Sbaeneg",
    "THING": """MASCULINE | FEMININE | MASCULINE ADJECTIVE | FEMININE MUTATED | NUMBERED | MASCULINE hen ffasiwn
        | bocs o fara | bocs o afalau | darn o gaws | THE_THING""",
    "NUMBERED": """NUMBER MASCULINE | pum MASCULINE | NUMBER o lyfrau | NUMBER o gadeiriau | dau lyfr | dwy gadair
        | tri llun | tair het | pedair cadair | ugain o luniau | cant o lythyrau""",
    "COUNTED": """NUMBER MASCULINE | dau gi | dwy gath | tri cheffyl | tair merch | ugain o blant | llawer o bobl
        | cant o ddefaid | pum llyfr newydd""",
    "NUMBER": "saith | wyth | naw | deg | pedwar | un deg pump | tri deg",
    "MASCULINE": """llyfr | llythyr | llun | car | beic | bwrdd | cwpan | cloc | drws | tocyn | bag | crys | gwely
        | papur newydd | cwch | bwced | drych | pensil | map | darlun""",
    "FEMININE": "cadair | het | côt | basged | torth | ffenestr | cist | lamp | potel | ysgol | sedd | cyllell",
    "ADJECTIVE": "mawr | bach | coch | glas | gwyrdd | du | newydd | drud | trwm | rhad | gwyn | prydferth | rhyfedd",
    "MUTATED": "fawr | fach | goch | las | werdd | ddu | newydd | ddrud | drom | rad | wen | brydferth | ryfedd",
    "THE_THING": """y llyfr | y llythyr | y llun | y car | y beic | y bwrdd | y cloc | y drws | y gadair | yr het
        | y gôt | y fasged | y dorth | y ffenestr | y botel | yr allwedd | yr ymbarél | y gyllell | yr anrheg
        | llyfr NAME | car y PERSON | beic y PERSON | tŷ NAME | het y ferch | llun y bachgen""",
    "QUALITY": """fawr | fach | hen | newydd | oer | boeth | dda | goch | las | wyrdd | brydferth | ddrud | rhad
        | lân | frwnt | drwm | ysgafn | ddiddorol | hyfryd | wag | bwysig""",
    "PLACE": """yn yr harbwr
        | yn y SITE | yn y SITE | yn yr ardd | yn y gegin | yn y dref | yn y llyfrgell | yn y farchnad
        | yn yr ysgol | yn yr ysbyty | yn yr eglwys | ar y traeth | ar y mynydd | ar y bont | ar y bws
        | wrth yr afon | wrth y drws | ger y môr | yng Nghaerdydd | ym Mangor | yn Abertawe | o dan y bont | gartref
        | tu ôl i'r tŷ""",
    "SITE": "tŷ | parc | castell | pentref | caffi | coed | cae | swyddfa | siop | theatr | stafell",
    "TARGET": """i'r SITE | i'r dref | i'r ysgol | i'r farchnad | i'r traeth | i'r mynydd | i Gaerdydd | i Fangor
        | i Aberystwyth | adref | at y môr | tua'r afon""",
    "PAST_WHEN": """ddoe | neithiwr | y bore 'ma | dydd Llun | y llynedd | ym mis Awst | am hanner nos
        | dros y Nadolig""",
    "FUTURE_WHEN": "yfory | heno | yfory | bob bore | y flwyddyn nesaf | ar ôl swper | dydd Gwener | cyn bo hir",
}

# The article is "'r" behind every vowel.
CONTRACTIONS = [(r"(?<=[aeiouwyâêîôûŵŷ]) yr? ", "'r "), (r"\bac (?=[bd])", "a "), (r"\bgyda ei ", "gyda'i ")]
SPACED = ""

DEFECTS = {
    "typographic quotes": "Dywedodd y brenin: “Mae’r drws ar agor”, ac wedyn ‘diolch’ a «nos da».",
    "dashes": "Mae'r hen harbwr – ger yr orsaf — yn wag heddiw…",
    "decomposed characters": "Mae Siân yn canu yn y tŷ gyda'r gôt ddu.",
    "digits": "Mae 25 cadair yn ystafell 3 ers 1998.",
    "straight quote": "\"Bore da, meddai'r athrawes wrth y bachgen.",
}
