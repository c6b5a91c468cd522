"""Italian sentences in the manner of Common Voice."""

VOICES = {"it": ""}

RULES = {
    "SENTENCE": """CLAUSE . | CLAUSE . | CLAUSE WHEN . | YESTERDAY PAST . | PAST YESTERDAY . | BEFORE CLAUSE .
        | CLAUSE , ma CLAUSE . | CLAUSE e CLAUSE . | QUESTION ? | QUESTION ? | EXCLAMATION !""",
    "CLAUSE": """WHO DID THING | WHO DID THING PLACE | WHO DID THING per WHOM | WHO WENT TARGET | WHO LIVES PLACE
        | SEVERAL DID_PLURAL THING | SEVERAL LIVE PLACE | SEVERAL vanno TARGET | WHO MODAL DO THING
        | WHO MODAL DO THING PLACE | ci sono COUNT OBJECTS PLACE | non ci sono più OBJECTS PLACE
        | il MASCULINE di la PERSON_F è HOW ADJECTIVE_M | la FEMININE di il PERSON_M è HOW ADJECTIVE_F
        | non trovo più MINE PLACE | abbiamo FOUND THING PLACE | ho FOUND THING PLACE | hai FOUND THING BECAUSE""",
    "PAST": """WHO ha FOUND THING | WHO ha FOUND THING PLACE | SEVERAL hanno FOUND THING PLACE | hai FOUND THING
        | abbiamo FOUND THING per WHOM | ho FOUND THING""",
    "QUESTION": """dov'è THE | dove si trova THE di OWNER | WHO MODAL DO THING | perché WHO DID THING
        | chi ha FOUND THING PLACE | avete FOUND THING PLACE | quando WHO WENT TARGET | puoi DO THING per WHOM
        | quante sedie ci sono PLACE | quanti libri ha FOUND WHO""",
    "EXCLAMATION": """che bel MASCULINE | che bella FEMININE | non dimenticare di DO THING BECAUSE
        | WHO ha di nuovo FOUND THING | venite subito TARGET | vieni TARGET con noi""",
    "BECAUSE": "perché piove | perché è domenica | prima di partire | senza dirlo | se fa freddo | dopo il pranzo",
    "WHO": """il PERSON_M | la PERSON_F | mio RELATIVE_M | mia RELATIVE_F | il nostro PERSON_M | la vostra PERSON_F
        | NAME | NAME | lui | lei | lo zio | l'infermiera | l'avvocato | lo studente | tuo RELATIVE_M""",
    "OWNER": "il PERSON_M | la PERSON_F | mio RELATIVE_M | mia RELATIVE_F | i vicini",
    "WHOM": "il PERSON_M | la PERSON_F | mio RELATIVE_M | mia RELATIVE_F | noi | voi | i bambini | gli amici",
    "SEVERAL": """i bambini | i miei vicini | gli studenti | COUNT turisti | i nostri amici | gli operai
        | le ragazze | alcuni musicisti | i suoi genitori""",
    "PERSON_M": """fornaio | postino | medico | professore | giardiniere | pescatore | sindaco | ragazzo | vicino
        | pittore | farmacista | cuoco | falegname | re""",
    "PERSON_F": """maestra | postina | regina | direttrice | cantante | ragazza | vicina | ballerina | pastora
        | commessa | cuoca | pianista""",
    "RELATIVE_M": "fratello | padre | nonno | cugino | marito | figlio | cognato | nipote",
    "RELATIVE_F": "sorella | madre | nonna | cugina | zia | moglie | figlia | suocera",
    "NAME": """Maria | Nicolò | Giulia | Francesco | Chiara | Matteo | Lucia | Giovanni | Elena | Davide | Sofia
        | Niccolò""",
    "DID": """ha FOUND | ha FOUND | ha FOUND | cerca | guarda | disegna | ripara | compra | conserva | preferisce
        | venderà | cercherà | portava | amava""",
    "DID_PLURAL": "hanno FOUND | hanno FOUND | cercano | guardano | disegnano | riparano | comprano | venderanno",
    "FOUND": """comprato | venduto | trovato | perso | rotto | pulito | dimenticato | scelto | disegnato | riparato
        | nascosto | portato via | fotografato | descritto | ricevuto | buttato""",
    "MODAL": "vuole | può | deve | spera di | preferisce | vorrebbe | non vuole | non può più",
    "DO": """comprare | vendere | cercare | disegnare | riparare | pulire | portare | conservare | descrivere
        | scegliere | fotografare | nascondere""",
    "WENT": "va | torna | corre | andrà | camminava | tornava spesso | arriverà a piedi",
    "TARGET": """a il SITE_M | a la SITE_F | a l'ospedale | a l'aeroporto | a scuola | verso il SITE_M
        | verso la SITE_F | fino a il SITE_M | fino a la SITE_F""",
    "LIVES": "lavora | abita | canta | dorme | aspetta | si riposa | passeggia | gioca | studia | mangiava",
    "LIVE": "lavorano | abitano | cantano | dormono | aspettano | si riposano | passeggiano | giocano | mangiavano",
    "PLACE": """in il SITE_M | in la SITE_F | vicino a il SITE_M | vicino a la SITE_F | dietro il SITE_M
        | davanti a la SITE_F | accanto a il SITE_M | a Roma | a Torino | a Forlì | a Napoli | in città
        | sotto il ponte | su la collina | su il tetto | a casa""",
    "SITE_M": """giardino | mercato | museo | villaggio | porto | castello | parco | teatro | mulino | bar
        | quartiere | negozio | cinema | salotto | bosco""",
    "SITE_F": """stazione | biblioteca | foresta | spiaggia | piazza | cucina | camera | montagna | fattoria
        | cantina | chiesa | fabbrica | farmacia | valle""",
    "THE": "il MASCULINE | la FEMININE | lo specchio | l'orologio | l'ombrello | lo zaino",
    "THING": """il MASCULINE | la FEMININE | un MASCULINE | una FEMININE | un MASCULINE ADJECTIVE_M
        | una FEMININE ADJECTIVE_F | COUNT OBJECTS | COUNT OBJECTS | il suo MASCULINE | la sua FEMININE
        | le OBJECTS di OWNER | lo specchio | l'orologio | un piccolo MASCULINE | una grande FEMININE
        | questo MASCULINE | questa FEMININE | uno zaino | un'arancia""",
    "MINE": "il mio MASCULINE | la mia FEMININE | le mie OBJECTS",
    "MASCULINE": """libro | cappello | giornale | coltello | cestino | quadro | biglietto | quaderno | pallone
        | tappeto | violino | cappotto | telefono | dizionario | tavolo | vestito | piatto | cucchiaio | letto
        | motorino""",
    "FEMININE": """lettera | sedia | valigia | lampada | chiave | bottiglia | chitarra | fotografia | mappa
        | scatola | gonna | camicia | giacca | tazza | torta | macchina | bicicletta | bambola | barca | penna""",
    "OBJECTS": """mele | pere | ciliegie | scarpe | candele | cartoline | torte | finestre | monete | matite
        | chiavi | bottiglie | sedie | lettere | fotografie | camicie | penne | rose""",
    "COUNT": """due | tre | quattro | cinque | sei | sette | otto | nove | dieci | undici | dodici | quindici
        | venti | venticinque | trenta | quaranta | cento | duecento | mille | ventitré""",
    "HOW": "molto | troppo | davvero | abbastanza | già | ancora | quasi | così",
    "ADJECTIVE_M": """rosso | giallo | verde | azzurro | bianco | nero | nuovo | rotto | leggero | pesante | antico
        | fragile | bellissimo | strano | grigio""",
    "ADJECTIVE_F": """rossa | gialla | verde | azzurra | bianca | nera | nuova | rotta | leggera | pesante | antica
        | fragile | bellissima | strana | grigia""",
    "WHEN": """a mezzogiorno | durante l'estate | ogni sabato | a febbraio | tutto il giorno | più tardi
        | dopo la cena | senza motivo""",
    "YESTERDAY": "ieri | ieri sera | quella mattina | COUNT giorni fa | la settimana scorsa | martedì | stamattina",
    "BEFORE": """in agosto | a Natale | dopo la festa | all'inizio | di solito | tutti i giovedì | quest'anno
        | d'inverno | per fortuna | perciò""",
}

_ARTICLES = {"il": "l", "lo": "llo", "la": "lla", "i": "i", "gli": "gli", "le": "lle", "l'": "ll'"}
_STEMS = {"in": "ne", "a": "a", "di": "de", "su": "su"}
# Preposition and article are one word: "in il" is "nel".
CONTRACTIONS = [
    (rf"\b{preposition} {article}" + ("" if article == "l'" else r"\b"), stem + ending)
    for preposition, stem in _STEMS.items()
    for article, ending in _ARTICLES.items()
]
SPACED = ""

DEFECTS = {
    "typographic quotes": "Il sindaco disse: “L’amico è già qui”, poi ‘grazie’ e «buonasera».",
    "dashes": "Il vecchio porto – vicino alla stazione — oggi è vuoto…",
    "decomposed characters": "Perché la città è così lontana? Chissà, più tardi lo dirò.",
    "digits": "Ci sono 25 sedie nella sala 3 dal 1998.",
    "straight quote": '"Buongiorno, dice la maestra alla vicina.',
}
