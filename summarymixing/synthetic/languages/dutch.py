"""Dutch sentences in the manner of Common Voice."""

VOICES = {"nl": ""}

RULES = {
    "SENTENCE": """CLAUSE . | CLAUSE . | CLAUSE . | WHEN INVERTED . | WHEN INVERTED . | WHEN INVERTED_PLURAL .
        | CLAUSE , maar CLAUSE . | CLAUSE en CLAUSE . | QUESTION ? | QUESTION ? | EXCLAMATION !""",
    "CLAUSE": """WHO DID THING | WHO DID THING PLACE | WHO DID THING voor WHOM | WHO has THING PLACE FOUND
        | WHO LIVES PLACE | WHO WENT TARGET | SEVERAL DID_PLURAL THING | SEVERAL LIVE PLACE
        | SEVERAL have THING FOUND | WHO MODAL THING DO | WHO MODAL PLACE THING DO | er COUNTED PLACE
        | de DE_NOUN van WHOM is HOW ADJECTIVE | het HET_NOUN van WHOM was HOW ADJECTIVE
        | ik kan MINE nergens vinden | wij hebben THING PLACE FOUND | ik heb THING FOUND
        | WHO zei dat WHO THING had FOUND""",
    "INVERTED": "DID WHO THING | DID WHO THING PLACE | has WHO THING FOUND | LIVES WHO PLACE | MODAL WHO THING DO",
    "INVERTED_PLURAL": "DID_PLURAL SEVERAL THING | LIVE SEVERAL PLACE | have SEVERAL THING PLACE FOUND",
    "QUESTION": """waar is THE | waar ligt THE van WHOM | wil WHO THING DO | moet WHO THING DO
        | waarom has WHO THING FOUND | wie has THING PLACE FOUND | hebben jullie THING FOUND
        | wanneer WENT WHO TARGET | kun je THING voor WHOM DO | hoeveel OBJECTS liggen er PLACE""",
    "EXCLAMATION": """wat een NICE DE_NOUN | vergeet niet THING te DO | kom snel TARGET | WHO has alweer THING FOUND
        | kijk , daar zat WHO""",
    "has": "heeft",
    "have": "hebben",
    "COUNTED": "liggen COUNT OBJECTS | waren COUNT OBJECTS | staan nog COUNT OBJECTS | zijn geen OBJECTS meer",
    "WHO": """de PERSON | de PERSON | de PERSON | mijn RELATIVE | onze PERSON | jouw RELATIVE | NAME | NAME | hij
        | het meisje | het jongetje | een vreemde PERSON""",
    "WHOM": "de PERSON | mijn RELATIVE | onze PERSON | het meisje | NAME | haar RELATIVE | zijn RELATIVE",
    "SEVERAL": """de kinderen | mijn buren | de studenten | COUNT toeristen | onze vrienden | de arbeiders
        | de zusjes | enkele leerlingen | zijn ouders | de muzikanten""",
    "PERSON": """bakker | postbode | dokter | leraar | tuinman | visser | burgemeester | jongen | buurman
        | buurvrouw | schilder | apotheker | kok | timmerman | koning | koningin | lerares | zangeres | boer
        | verpleegster | reiziger | schipper""",
    "RELATIVE": """broer | vader | opa | neef | oom | man | zoon | zus | moeder | oma | nicht | tante | vrouw
        | dochter | beste vriend""",
    "NAME": "Marieke | Joost | Sanne | Pieter | Lotte | Daan | Anouk | Willem | Fleur | Ruben | Femke | Zoë | André",
    "DID": """kocht | verkocht | vond | verloor | zocht | bekeek | tekende | repareerde | bewaarde | vergat | koos
        | poetste | verstopte | bracht | bouwde | schilderde | bestelde""",
    "DID_PLURAL": """kochten | verkochten | vonden | verloren | zochten | bekeken | tekenden | repareerden
        | bewaarden | vergaten | kozen | verstopten | bouwden | schilderden""",
    "FOUND": """gekocht | verkocht | gevonden | verloren | gebroken | schoongemaakt | vergeten | gekozen | getekend
        | gerepareerd | verstopt | meegenomen | beschreven | gekregen | weggegooid""",
    "MODAL": "wilde | kon | moest | mocht | zou",
    "DO": """kopen | verkopen | zoeken | tekenen | repareren | poetsen | dragen | bewaren | beschrijven | kiezen
        | verstoppen | schilderen | halen""",
    "WENT": "gaat | fietst | loopt | rijdt | wandelde | reisde | ging",
    "TARGET": """naar de SITE_DE | naar het SITE_HET | naar school | naar huis | naar Utrecht | naar zee
        | langs de SITE_DE | door het SITE_HET""",
    "LIVES": "werkte | woonde | zong | sliep | wachtte | rustte | wandelde | speelde | studeerde | danste | zat",
    "LIVE": "werkten | woonden | zongen | sliepen | wachtten | rustten | wandelden | speelden | dansten | zaten",
    "PLACE": """in de SITE_DE | in het SITE_HET | bij de SITE_DE | bij het SITE_HET | achter de SITE_DE
        | voor het SITE_HET | naast de SITE_DE | in Amsterdam | in Groningen | in België | onder de brug
        | op de markt | op het strand | op het plein | op het eiland | op het dak | thuis | aan de overkant""",
    "SITE_DE": """tuin | keuken | stad | kerk | winkel | fabriek | bibliotheek | schuur | kelder | haven | boerderij
        | molen | straat | kamer | garage""",
    "SITE_HET": """huis | bos | dorp | museum | kasteel | park | theater | station | ziekenhuis | café | kantoor
        | raadhuis""",
    "THE": "de DE_NOUN | het HET_NOUN",
    "THING": """de DE_NOUN | het HET_NOUN | een DE_NOUN | een HET_NOUN | een COLOURED DE_NOUN | een COLOUR HET_NOUN
        | de COLOURED DE_NOUN | het COLOURED HET_NOUN | COUNT OBJECTS | COUNT OBJECTS | COUNT COLOURED OBJECTS
        | zijn DE_NOUN | haar HET_NOUN | die DE_NOUN | dat HET_NOUN""",
    "MINE": "mijn DE_NOUN | mijn HET_NOUN | mijn OBJECTS",
    "DE_NOUN": """brief | stoel | koffer | lamp | sleutel | fles | gitaar | foto | kaart | doos | jas | fiets | boot
        | hoed | klok | krant | paraplu | ladder | tafel | spiegel | viool | emmer | bal | trui""",
    "HET_NOUN": """boek | mes | schilderij | kussen | horloge | glas | bord | touw | schrift | kleed | hemd | bed
        | muntje | geschenk | orgel | potlood""",
    "OBJECTS": """appels | peren | kersen | bloemen | schoenen | kaarsen | brieven | eieren | koekjes | munten
        | potloden | sleutels | flessen | stoelen | boeken | tulpen | kazen | ramen | zakken""",
    "COUNT": """twee | drie | vier | vijf | zes | zeven | acht | negen | tien | elf | twaalf | vijftien | twintig
        | vijfentwintig | dertig | veertig | honderd | tweeëntwintig | duizend""",
    "COLOUR": "rood | groen | blauw | wit | zwart | nieuw | klein | groot | zwaar | duur | vreemd | mooi",
    "COLOURED": "rode | groene | blauwe | witte | zwarte | nieuwe | kleine | grote | zware | dure | vreemde | mooie",
    "NICE": "mooie | prachtige | gekke | grote | lelijke",
    "HOW": "heel | erg | te | vrij | nog | bijna | niet zo | opnieuw",
    "ADJECTIVE": """rood | groen | blauw | wit | zwart | nieuw | kapot | licht | zwaar | oud | breekbaar | prachtig
        | vreemd""",
    "WHEN": """gisteren | vanochtend | in augustus | met Kerstmis | na het feest | in het begin | meestal
        | elke donderdag | dit jaar | in de winter | gelukkig | daarom | vorige week | om middernacht | vandaag""",
}

CONTRACTIONS = []
SPACED = ""

DEFECTS = {
    "typographic quotes": "De burgemeester zei: “Het is zo’n mooie dag”, en daarna ‘dank je’ en „tot ziens”.",
    "dashes": "De oude haven – vlak bij het station — is vandaag leeg…",
    "decomposed characters": "Zoë en André drinken één kopje koffie in België.",
    "digits": "Er staan 25 stoelen in zaal 3 sinds 1998.",
    "straight quote": '"Goedemorgen, zegt de bakker tegen zijn buurvrouw.',
}
