"""French sentences in the manner of Common Voice."""

VOICES = {"fr": "Français de France", "fr-be": "Français de Belgique", "fr-ch": "Français de Suisse"}

RULES = {
    "SENTENCE": """CLAUSE . | CLAUSE . | CLAUSE WHEN . | YESTERDAY , PAST . | PAST YESTERDAY . | BEFORE , CLAUSE .
        | CLAUSE , mais CLAUSE . | CLAUSE et CLAUSE . | QUESTION ? | QUESTION ? | EXCLAMATION !""",
    "CLAUSE": """WHO DID THING | WHO DID THING PLACE | WHO DID THING pour WHOM | WHO WENT TARGET | WHO LIVES PLACE
        | SEVERAL DID_PLURAL THING | SEVERAL LIVE PLACE | SEVERAL vont TARGET | WHO MODAL DO THING
        | WHO MODAL DO THING PLACE | il y a COUNT OBJECTS PLACE | il n'y a plus de OBJECTS PLACE
        | le MASCULINE de la PERSON_F est HOW ADJECTIVE_M | la FEMININE de le PERSON_M est HOW ADJECTIVE_F
        | on trouve COUNT OBJECTS PLACE | je ne trouve plus MINE PLACE | nous avons FOUND THING PLACE
        | j'ai FOUND THING PLACE | tu as FOUND THING BECAUSE""",
    "PAST": """WHO a FOUND THING | WHO a FOUND THING PLACE | SEVERAL ont FOUND THING PLACE | tu as FOUND THING
        | nous avons FOUND THING chez WHOM | j'ai FOUND THING""",
    "QUESTION": """où est THE | où se trouve THE de OWNER | est-ce que WHO MODAL DO THING | pourquoi WHO DID THING
        | qui a FOUND THING PLACE | avez-vous FOUND THING PLACE | quand est-ce que WHO WENT TARGET
        | peux-tu DO THING pour WHOM | combien de OBJECTS y a-t-il PLACE""",
    "EXCLAMATION": """quel beau MASCULINE | quelle belle FEMININE | n'oublie pas de DO THING BECAUSE
        | WHO a encore FOUND THING | venez vite TARGET | viens TARGET avec nous""",
    "BECAUSE": """parce qu'il pleut | parce que c'est dimanche | avant de partir | sans le dire | s'il fait froid
        | après le repas""",
    "WHO": """le PERSON_M | la PERSON_F | mon RELATIVE_M | ma RELATIVE_F | notre PERSON_M | NAME | NAME | elle | il
        | l'institutrice | l'épicier | l'étudiant | ton RELATIVE_M | votre PERSON_F""",
    "OWNER": "le PERSON_M | la PERSON_F | mon RELATIVE_M | ma RELATIVE_F | les voisins",
    "WHOM": "le PERSON_M | la PERSON_F | mon RELATIVE_M | ma RELATIVE_F | nous | vous | les enfants | les voisins",
    "SEVERAL": """les enfants | mes voisins | les étudiants | COUNT touristes | nos amis | les ouvriers
        | ses parents | quelques élèves | les musiciens""",
    "PERSON_M": """boulanger | facteur | médecin | professeur | jardinier | pêcheur | maire | garçon | voisin
        | peintre | pharmacien | chauffeur | menuisier | roi""",
    "PERSON_F": """boulangère | factrice | reine | directrice | chanteuse | fille | voisine | danseuse | bergère
        | vendeuse | cuisinière | pianiste""",
    "RELATIVE_M": "frère | père | grand-père | cousin | oncle | mari | meilleur ami | fils",
    "RELATIVE_F": "sœur | mère | grand-mère | cousine | tante | femme | nièce | fille",
    "NAME": "Marie | Hélène | François | Zoé | Jérôme | Camille | Théo | Chloé | Benoît | Noémie | Lucas | Margaux",
    "DID": """a FOUND | a FOUND | a FOUND | cherche | regarde | dessine | répare | achète | garde | préfère | vendra
        | cherchera | portait | aimait""",
    "DID_PLURAL": """ont FOUND | ont FOUND | cherchent | regardent | dessinent | réparent | achètent | préfèrent
        | garderont""",
    "FOUND": """acheté | vendu | trouvé | perdu | cassé | nettoyé | oublié | choisi | dessiné | réparé | caché
        | emporté | photographié | décrit | reçu | jeté""",
    "MODAL": "veut | peut | doit | espère | préfère | aimerait | va | ne veut pas | ne peut plus",
    "DO": """acheter | vendre | chercher | dessiner | réparer | nettoyer | emporter | garder | décrire | choisir
        | photographier | cacher""",
    "WENT": "va | retourne | court | ira | marchait | est parti en train | revenait souvent",
    "TARGET": """à le SITE_M | à la SITE_F | à l'école | à l'hôpital | à l'église | vers le SITE_M | vers la SITE_F
        | jusqu'à le SITE_M | jusqu'à la SITE_F""",
    "LIVES": "travaille | habite | chante | dort | attend | se repose | se promène | joue | étudie | mangeait",
    "LIVE": """travaillent | habitent | chantent | dorment | attendent | se reposent | se promènent | jouent
        | mangeaient""",
    "PLACE": """dans le SITE_M | dans la SITE_F | près de le SITE_M | près de la SITE_F | derrière le SITE_M
        | devant la SITE_F | à côté de le SITE_M | à Paris | à Liège | à Genève | à Besançon | en forêt
        | sous le pont | chez nous""",
    "SITE_M": """jardin | marché | musée | village | port | château | parc | théâtre | moulin | café | quartier
        | magasin | cinéma | salon | grenier""",
    "SITE_F": """gare | bibliothèque | forêt | plage | ville | mairie | boulangerie | cuisine | chambre | rivière
        | montagne | place | maison | cave | ferme""",
    "THE": "le MASCULINE | la FEMININE | l'échelle | l'horloge | l'ordinateur | l'armoire",
    "THING": """le MASCULINE | la FEMININE | un MASCULINE | une FEMININE | un MASCULINE ADJECTIVE_M
        | une FEMININE ADJECTIVE_F | COUNT OBJECTS | COUNT OBJECTS | son MASCULINE | sa FEMININE
        | les OBJECTS de OWNER | l'échelle | l'horloge | un petit MASCULINE | une grande FEMININE | ce MASCULINE
        | cette FEMININE""",
    "MINE": "mon MASCULINE | ma FEMININE | mes OBJECTS",
    "MASCULINE": """livre | chapeau | vélo | gâteau | journal | parapluie | couteau | miroir | panier | tableau
        | billet | cahier | ballon | tapis | piano | violon | manteau | fauteuil | téléphone | dictionnaire | bateau
        | sac""",
    "FEMININE": """lettre | chaise | valise | lampe | clé | montre | bouteille | guitare | photo | carte | boîte
        | robe | chemise | veste | tasse | cuillère | table | bague | voiture | poupée | flûte""",
    "OBJECTS": """pommes | poires | cerises | fleurs | chaussures | lunettes | bougies | cartes postales | gâteaux
        | timbres | fenêtres | pièces | crayons | clés | bouteilles | champignons | chaises | fromages""",
    "COUNT": """deux | trois | quatre | cinq | six | sept | huit | neuf | dix | onze | douze | treize | quinze
        | vingt | vingt-cinq | trente | quarante | cent | deux cents | mille""",
    "HOW": "très | trop | vraiment | assez | déjà | encore | presque",
    "ADJECTIVE_M": """rouge | jaune | vert | bleu | blanc | noir | neuf | cassé | léger | lourd | ancien | fragile
        | magnifique | étrange | gris""",
    "ADJECTIVE_F": """rouge | jaune | verte | bleue | blanche | noire | neuve | cassée | légère | lourde | ancienne
        | fragile | magnifique | étrange | grise""",
    "WHEN": """ce matin | à midi | pendant l'été | chaque samedi | en février | toute la journée | en même temps
        | après le dîner | sans raison""",
    "YESTERDAY": "hier | hier soir | le lendemain | ce matin-là | il y a COUNT jours | la semaine dernière | mardi",
    "BEFORE": """ce matin | en août | à Noël | après la fête | au début | d'habitude | tous les jeudis | cette année
        | pendant l'hiver | à côté | heureusement""",
}

CONTRACTIONS = [
    (r"\bà le\b", "au"),
    (r"\bde le\b", "du"),
    (r"\bde les\b", "des"),
    (r"\b(de|que) (?=[aeiouéêhAEIOUH])", lambda found: found[1][:-1] + "'"),
]
# The French keep a space before these two.
SPACED = "?!"

DEFECTS = {
    "typographic quotes": "Le maire a dit : « C’est l’heure de l’école », puis ‘merci’ et “bonsoir”.",
    "dashes": "Le vieux port – près de la gare — est vide aujourd’hui…",
    "decomposed characters": "L'élève a déjà oublié où était la forêt près du château.",
    "digits": "Il y a 25 chaises dans la salle 3 depuis 1998.",
    "straight quote": '"Bonjour, dit la boulangère à sa voisine.',
}
