"""Basque sentences in the manner of Common Voice.

Subjects of transitive verbs stand in the ergative (MIREN, "Mirenek"), the others in the absolutive.
"""

VOICES = {"eu": ""}

RULES = {
    "SENTENCE": """PAST . | PAST . | TODAY . | TODAY . | FUTURE . | HABIT . | STATE . | STATE .
        | PAST , baina PAST . | STATE eta TODAY . | QUESTION ? | QUESTION ? | EXCLAMATION !""",
    "PAST": """YESTERDAY AGENT ONE FOUND zuen | AGENT ONE FOUND zuen PLACE | YESTERDAY AGENT MANY FOUND zituen PLACE
        | AGENT MANY FOUND zituen | YESTERDAY WHO TARGET WENT zen | WHO PLACE STAYED zen | nik ONE FOUND nuen PLACE
        | YESTERDAY guk MANY FOUND genituen | AGENT WHO_DATIVE ONE GAVE zion""",
    "TODAY": """gaur AGENT ONE FOUND du | AGENT ONE FOUND du PLACE | gaur goizean AGENT MANY FOUND ditu
        | WHO TARGET WENT da | nik ONE FOUND dut gaur | guk PLACE MANY FOUND ditugu | AGENT ez du ONE FOUND
        | WHO ez da TARGET WENT | AGENT WHO_DATIVE ONE GAVE dio""",
    "FUTURE": """TOMORROW AGENT ONE WILL du | TOMORROW AGENT MANY WILL ditu PLACE | TOMORROW WHO TARGET GOES da
        | nik ONE WILL dut TOMORROW | AGENT ONE WILL nahi du | AGENT ONE WILL behar du PLACE""",
    "HABIT": """EVERY_DAY AGENT ONE KEEPS du PLACE | EVERY_DAY AGENT MANY KEEPS ditu | WHO PLACE LIVES da EVERY_DAY
        | EVERY_DAY WHO PLACE LIVES da""",
    "STATE": """ONE HOW QUALITY da | OWNER_GENITIVE THE HOW QUALITY da | PLACE NUMBER NOUN daude
        | PLACE NOUN asko dago | ONE PLACE dago | WHO PLACE dago EVERY_DAY | ez dago THE PLACE
        | OWNER_GENITIVE NOUN ADJECTIVE PLACE dago""",
    "QUESTION": """non dago ONE | nork FOUND du ONE | nora joan da WHO | noiz ekarriko du ONE AGENT
        | zergatik FOUND du AGENT ONE | zenbat NOUN daude PLACE | ONE FOUND al duzu PLACE | nahi al duzu NOUN bat
        | zer FOUND zuen AGENT PLACE | nor bizi da PLACE""",
    "EXCLAMATION": """zer NOUN QUALITY | etorri azkar TARGET | ez ahaztu ONE | AGENT berriro FOUND du ONE
        | hau bai NOUN QUALITY""",
    "AGENT": """amak | aitak | irakasleak | medikuak | neskak | mutilak | okinak | arrantzaleak | alkateak
        | gidariak | margolariak | abeslariak | sukaldariak | erreginak | ikasleak | nire anaiak | nire arrebak
        | gure auzokoak | Mirenek | Jonek | Anek | Ikerrek | Maitek | Andonik | Itziarrek | Unaik | amonak | aitonak
        | artzainak""",
    "WHO": """ama | aita | irakaslea | medikua | neska | mutila | okina | arrantzalea | alkatea | gidaria
        | margolaria | abeslaria | sukaldaria | erregina | ikaslea | nire anaia | nire arreba | gure auzokoa | Miren
        | Jon | Ane | Iker | Maite | Andoni | Itziar | Unai | amona | aitona | artzaina | katua | zakurra | txoria""",
    "WHO_DATIVE": """amari | aitari | irakasleari | medikuari | neskari | mutilari | okinari | alkateari | Mireni
        | Joni | Aneri | amonari | nire anaiari | gure auzokoari""",
    "OWNER_GENITIVE": """amaren | aitaren | irakaslearen | medikuaren | neskaren | okinaren | alkatearen | Mirenen
        | Jonen | Aneren | amonaren | nire anaiaren | gure auzokoaren | nire | zure | gure | haien""",
    "ONE": """NOUN ADJECTIVE | NOUN ADJECTIVE | NOUN bat | NOUN hau | NOUN hori | THE | THE
        | OWNER_GENITIVE NOUN ADJECTIVE""",
    "MANY": "NUMBER NOUN | NUMBER NOUN | NUMBER NOUN PLURAL | NOUN PLURAL | NOUN batzuk",
    "NOUN": """liburu | gutun | auto | bizikleta | kapela | mahai | aulki | argazki | giltza | leiho | ate | ogi
        | sagar | gazta | jantzi | txakur | katilu | botila | gitarra | erloju | egunkari | ontzi | saski | lore
        | kutxa | ohe | zaldi | behi | txartel | mapa | kandela | laban | pilota | itsasontzi""",
    "THE": """liburua | gutuna | autoa | bizikleta | kapela | mahaia | aulkia | argazkia | giltza | leihoa | atea
        | ogia | sagarra | gazta | jantzia | txakurra | katilua | botila | gitarra | erlojua | egunkaria | ontzia
        | saskia | lorea | kutxa | ohea | zaldia | behia | txartela | mapa | kandela | labana | pilota | itsasontzia""",
    "ADJECTIVE": """berria | zaharra | handia | txikia | gorria | urdina | berdea | beltza | zuria | garestia
        | merkea | polita | astuna | arina | bitxia""",
    "PLURAL": """berriak | zaharrak | handiak | txikiak | gorriak | urdinak | berdeak | beltzak | zuriak | garestiak
        | politak | bitxiak""",
    "QUALITY": """berria | zaharra | handia | txikia | gorria | urdina | ederra | garestia | merkea | polita
        | astuna | arina | bitxia | garbia | zikina | hotza | beroa | garrantzitsua""",
    "HOW": "oso | nahiko | benetan | beti | oraindik",
    "NUMBER": """bi | hiru | lau | bost | sei | zazpi | zortzi | bederatzi | hamar | hamaika | hamabi | hamabost
        | hogei | hogeita bost | berrogei | ehun""",
    "FOUND": """erosi | saldu | ikusi | galdu | aurkitu | ekarri | garbitu | konpondu | gorde | hautsi | hartu
        | ahaztu | marraztu | aukeratu | deskribatu | margotu""",
    "WILL": """erosiko | salduko | ikusiko | aurkituko | ekarriko | garbituko | konponduko | gordeko | hartuko
        | marraztuko | aukeratuko | margotuko""",
    "KEEPS": """erosten | saltzen | ikusten | ekartzen | garbitzen | konpontzen | gordetzen | hartzen | marrazten
        | margotzen | bilatzen""",
    "GAVE": "eman | erosi | ekarri | saldu | erakutsi | bidali | eskaini",
    "WENT": "joan | itzuli | iritsi | etorri | abiatu | hurbildu",
    "GOES": "joango | itzuliko | iritsiko | etorriko | abiatuko",
    "STAYED": "geratu | lokartu | jaio | dantzatu | gelditu | erori",
    "LIVES": "bizi | ibiltzen | jolasten | egoten | gelditzen",
    "PLACE": """etxean | sukaldean | eskolan | mendian | hondartzan | parkean | dendan | azokan | liburutegian
        | ospitalean | zubian | kalean | herrian | lorategian | basoan | elizan | portuan | Bilbon | Donostian
        | Gasteizen | Iruñean | baserrian | museoan | plazan""",
    "TARGET": """etxera | parkera | eskolara | mendira | hondartzara | dendara | azokara | liburutegira | ospitalera
        | hirira | herrira | basora | portura | Bilbora | Donostiara | Gasteizera | Iruñera | plazara | baserrira""",
    "YESTERDAY": """atzo | herenegun | joan den astean | astelehenean | igandean | udan | neguan | abuztuan | iaz
        | bart gauean | aspaldi""",
    "TOMORROW": "bihar | etzi | datorren astean | ostiralean | laster | gaur gauean | datorren urtean | bazkalondoan",
    "EVERY_DAY": "egunero | goizero | larunbatero | askotan | gauero | beti | batzuetan | ostegunero",
}

CONTRACTIONS = []
SPACED = ""

DEFECTS = {
    "typographic quotes": "Alkateak esan zuen: “Etxea hutsik dago”, eta gero ‘eskerrik asko’ eta «gabon».",
    "dashes": "Portu zaharra – geltokitik hurbil — hutsik dago gaur…",
    "decomposed characters": "Iruñean eta Oñatin euria egin zuen, baina Begoña kalean zegoen.",
    "digits": "25 aulki daude 3. gelan 1998tik.",
    "straight quote": '"Egun on, esan zion irakasleak neskari.',
}
