"""The tables of `summarymixing.synthetic.commands`: what is said to a home assistant, and what it means.

`COMMANDS` gives the ways to say each scenario's action, and as a third key how often it comes; ``[time]`` is
an entity of that type, whose fillers are in `ENTITIES`; upper-case words are in `PHRASES`.
"""

COMMANDS = {
    ("alarm", "query", 1.5): """what alarms do i have WHEN | when is my next alarm | list my alarms for [date]
        | is there an alarm for [time] | what time is my [timeofday] alarm
        | do i have an alarm set for [time] [date]""",
    ("alarm", "remove", 1.0): """CANCEL my [time] alarm | CANCEL the alarm for [date] at [time]
        | turn off my [time] alarm | CANCEL the [timeofday] alarm | do not wake me up [date]""",
    ("alarm", "set", 2.0): """wake me up at [time] | wake me up at [time] [date] | set an alarm for [time]
        | set an alarm for [date] at [time] | i need an alarm at [time] [general_frequency]
        | please wake me [date] at [time]""",
    ("audio", "volume_down", 0.7): """turn the volume down | lower the volume of the DEVICE
        | make the DEVICE quieter | turn down the DEVICE in the [house_place]
        | reduce the volume by [change_amount]""",
    ("audio", "volume_mute", 1.2): """mute the DEVICE | be quiet until [time] | mute the DEVICE for [time_span]
        | silence the DEVICE in the [house_place] | stop talking for [time_span] | mute everything [date]""",
    ("audio", "volume_up", 1.0): """turn the volume up | raise the volume of the DEVICE | make the DEVICE louder
        | turn up the DEVICE in the [house_place] | increase the volume by [change_amount]""",
    ("calendar", "query", 6.0): """what is on my calendar for [date] | when is my [event_name] with [person]
        | do i have a [event_name] on [day] | what time is the [event_name] [date]
        | who is coming to the [event_name] | am i free [date] [timeofday]
        | what meetings do i have with [person] [date] | tell me about my [event_name] on [day]
        | where is the [event_name] with my [relation]""",
    ("calendar", "remove", 3.0): """CANCEL the [event_name] on [day] | CANCEL my [event_name] with [person]
        | clear my calendar for [date] | remove the [event_name] with my [relation] from my calendar
        | CANCEL all my events [date] [timeofday] | delete my [time] [event_name]""",
    ("calendar", "set", 8.0): """schedule a [event_name] with [person] on [day]
        | add a [event_name] to my calendar for [date] | remind me of the [event_name] [date] at [time]
        | set up a [event_name] with my [relation] at [time] | remind me to call [person] at [time]
        | put a [event_name] with [person] in my calendar for [date] at [time]
        | set a reminder for [event_name] [general_frequency] | i have a [event_name] in [place_name] on [day]""",
    ("cooking", "query", 0.4): """how long do i boil [ingredient] | how do i peel [ingredient]
        | can i freeze [ingredient] | what goes well with [ingredient] | how many calories are in [food_type]""",
    ("cooking", "recipe", 2.2): """how do i make [food_type] | find me a recipe for [food_type]
        | what can i [cooking_type] with [ingredient] and [ingredient]
        | give me a [food_type] recipe with [ingredient] | how do i [cooking_type] [ingredient]
        | what should i cook for [meal_type] with [ingredient]""",
    ("datetime", "convert", 0.8): """what time is it in [place_name] when it is [time] here
        | convert [time] [time_zone] to [time_zone] | how many hours is [place_name] behind [place_name]
        | what is [time] in [place_name]""",
    ("datetime", "query", 3.0): """what time is it in [place_name] | tell me the time in [place_name]
        | what day is [date] | what is the date of [date] | current time in [time_zone]
        | how many days until [date] | tell me the date and time in [place_name]""",
    ("email", "addcontact", 0.6): """add [person] to my contacts | save the address of [person]
        | create a contact for [person] | add the [personal_info] of [person] to my contacts
        | make a new contact for my [relation] [person]""",
    ("email", "query", 4.0): """do i have any emails from [person] | have i got new mail from my [relation]
        | check my [email_folder] for mail from [person] | what did [person] write WHEN
        | any new emails since [time] | read me the last email from [person]
        | are there emails about the [event_name] in my [email_folder]""",
    ("email", "querycontact", 1.2): """what is the [personal_info] of [person]
        | find the [personal_info] of my [relation] | give me the [personal_info] of [person]
        | when is the birthday of [person] | do i have the [personal_info] of [person]""",
    ("email", "sendemail", 4.0): """send an email to [person] | write an email to [person] about the [event_name]
        | email my [relation] that i will be late [date] | reply to [person] that i am coming [date]
        | send [person] a mail about [date] | tell my [relation] by email that the [event_name] is at [time]
        | forward the last email from [person] to my [relation]""",
    ("general", "greet", 0.8): """good [timeofday] | hello how are you this [timeofday] | how was your [timeofday]
        | hi it is [person] | how are you doing [date] | greet my [relation] [person]""",
    ("general", "joke", 0.8): """tell me a [joke_type] joke | tell me a joke about [definition_word]
        | do you know a [joke_type] joke about my [relation] | make me laugh with a [joke_type] joke""",
    ("general", "quirky", 5.0): """do you like [food_type] | what is your favourite [media_type]
        | have you ever been to [place_name] | should i wear BLUE shoes [date] | who is your best friend
        | what did you do [date] | can you dance to [music_genre]
        | tell me something about [definition_word] and [food_type] | do you think [person] likes [music_genre]
        | i had [food_type] for [meal_type]""",
    ("iot", "cleaning", 1.0): """vacuum the [house_place] | start the [device_type]
        | clean the [house_place] [date] | use the [device_type] in the [house_place] at [time]
        | let the [device_type] clean [general_frequency]""",
    ("iot", "coffee", 1.4): """make me a [coffee_type] | prepare a [coffee_type] at [time] | i want a [coffee_type]
        | have a [coffee_type] ready by [time] [date] | brew [coffee_type] [general_frequency]""",
    ("iot", "hue_lightchange", 1.4): """change the lights to [color_type]
        | make the lights in the [house_place] [color_type] | set the [house_place] lights to [color_type]
        | i want [color_type] light in the [house_place] at [time]""",
    ("iot", "hue_lightdim", 0.9): """dim the lights in the [house_place]
        | lower the [house_place] lights by [change_amount] | make the [house_place] darker
        | dim the lights to [change_amount]""",
    ("iot", "hue_lightoff", 1.8): """turn off the lights in the [house_place] | switch off the [house_place] lights
        | lights off in the [house_place] at [time] | no lights in the [house_place] please""",
    ("iot", "hue_lighton", 0.5): """turn on the lights in the [house_place] | switch the [house_place] lights on
        | i need light in the [house_place] | turn the [house_place] lights on at [time]""",
    ("iot", "hue_lightup", 0.9): """make the [house_place] brighter
        | raise the [house_place] lights by [change_amount] | increase the brightness in the [house_place]
        | brighten the lights to [change_amount]""",
    ("iot", "wemo_off", 0.5): """turn off the [device_type] | switch off the [device_type] in the [house_place]
        | turn the [device_type] off at [time] | shut down the [device_type]""",
    ("iot", "wemo_on", 0.4): """turn on the [device_type] | switch the [device_type] on at [time]
        | power on the [device_type]""",
    ("lists", "createoradd", 2.0): """add [ingredient] to my [list_name] list | make a new [list_name] list
        | put [ingredient] on the [list_name] list | create a list called [list_name]
        | start a [list_name] list for [date] | i need [ingredient] so add it to the [list_name] list""",
    ("lists", "query", 2.2): """what is on my [list_name] list | read my [list_name] list
        | is [ingredient] on the [list_name] list | which lists do i have for [date]
        | how long is my [list_name] list | show me the [list_name] list""",
    ("lists", "remove", 1.8): """remove [ingredient] from my [list_name] list | delete my [list_name] list
        | take [ingredient] off the [list_name] list | clear the [list_name] list
        | erase the [list_name] list from [date]""",
    ("music", "dislikeness", 0.2): """i do not like this [music_genre] song | never play [artist_name] again
        | i hate [song_name]""",
    ("music", "likeness", 0.8): """i love [song_name] | save this [music_genre] song | i like [artist_name] a lot
        | my favourite [music_genre] singer is [artist_name] | remember that i like [music_genre]""",
    ("music", "query", 1.2): """what song is this by [artist_name] | who sings [song_name] | is this [music_genre]
        | which album has [song_name] | what [music_genre] songs do i have by [artist_name]""",
    ("music", "settings", 0.4): """[player_setting] this song | [player_setting] [song_name]
        | [player_setting] my [playlist_name] playlist""",
    ("news", "query", 5.0): """what is the news about [news_topic] | give me the headlines from [media_type]
        | any news from [place_name] | what happened in [place_name] [date] | tell me the latest on [news_topic]
        | read me the [news_topic] news from [media_type] | notify me about [news_topic] [general_frequency]""",
    ("play", "audiobook", 1.6): """play the audiobook [audiobook_name]
        | continue [audiobook_name] from where i stopped | read [audiobook_name] to me
        | resume my book [audiobook_name] at [time]""",
    ("play", "game", 1.4): """play [game_name] with me | let us play [game_name] | start a game of [game_name]
        | i want to play [game_name] with my [relation] | open [game_name]""",
    ("play", "music", 6.5): """play [song_name] by [artist_name] | play some [music_genre]
        | play music by [artist_name] | i want to hear [song_name] | play my [playlist_name] playlist
        | start the [playlist_name] playlist | put on [music_genre] by [artist_name]
        | play [artist_name] in the [house_place] | please play the song [song_name] next""",
    ("play", "podcasts", 2.0): """play the podcast [podcast_name] | play the next episode of [podcast_name]
        | find a podcast about [news_topic] | start [podcast_name] from [date]
        | i would like to hear [podcast_name]""",
    ("play", "radio", 2.8): """play [radio_name] | turn on the radio and tune to [radio_name]
        | put on [radio_name] in the [house_place] | switch to [radio_name] at [time]
        | i want to listen to [radio_name] | play the [music_genre] radio station""",
    ("qa", "currency", 1.6): """how many [currency_name] is one [currency_name]
        | convert [currency_name] to [currency_name] | what is the exchange rate of the [currency_name]
        | how much are ten [currency_name] in [currency_name]""",
    ("qa", "definition", 2.6): """what does [definition_word] mean | define [definition_word]
        | explain the word [definition_word] | what is the meaning of [definition_word]
        | give me a definition of [definition_word] | tell me what [definition_word] is""",
    ("qa", "factoid", 5.5): """who is [artist_name] | how far is [place_name] from [place_name]
        | how many people live in [place_name] | what is the capital of [place_name] | how old is [artist_name]
        | where was [artist_name] born | how high is the tower in [place_name]
        | which language do they speak in [place_name] | when did [artist_name] write [song_name]""",
    ("qa", "maths", 0.9): """what is NUMBER plus NUMBER | how much is NUMBER times NUMBER | add NUMBER and NUMBER
        | divide NUMBER by NUMBER | what is NUMBER minus NUMBER""",
    ("qa", "stock", 1.6): """what is the stock price of [business_name] | how are [business_name] shares doing
        | tell me the price of [business_name] stock [date] | did [business_name] go up [date]""",
    ("recommendation", "events", 2.0): """what events are in [place_name] [date]
        | is there a [event_name] near [place_name] | find something to do [date] in [place_name]
        | any [music_genre] concerts in [place_name]""",
    ("recommendation", "locations", 1.8): """find a [business_type] near [place_name]
        | is there a good [business_type] in [place_name] | recommend a [food_type] restaurant in [place_name]
        | where is the closest [business_type] | show me a [business_type] that is open [date]""",
    ("recommendation", "movies", 0.8): """recommend a [movie_type] movie
        | what [movie_type] movies are in [place_name] [date] | which movie should i watch with my [relation]
        | find a good [movie_type] film for [date]""",
    ("social", "post", 2.6): """tweet that i am in [place_name]
        | post my picture of the [event_name] on [media_type] | complain to [business_name] on [media_type]
        | write on [media_type] that i love [artist_name] | tell [person] happy birthday on [media_type]""",
    ("social", "query", 1.0): """what did [person] post on [media_type] | any new messages on [media_type]
        | what is trending on [media_type] in [place_name] | has my [relation] been on [media_type] [date]""",
    ("takeaway", "order", 1.4): """order [food_type] from [business_name] | get me [food_type] for [meal_type]
        | i want a [order_type] of [food_type] | order [food_type] for [meal_type] at [time]
        | please bring me [food_type] from the [business_type]""",
    ("takeaway", "query", 1.4): """does [business_name] do [order_type] | how long until my [food_type] arrives
        | which [business_type] does [order_type] of [food_type]
        | where is my [food_type] order from [business_name]""",
    ("transport", "query", 2.2): """when is the next [transport_type] to [place_name]
        | how do i get to [place_name] by [transport_type]
        | what time does the [transport_type] from [place_name] arrive | show me the way to [place_name]
        | is there a [transport_type] to [place_name] [date]""",
    ("transport", "taxi", 1.2): """call a [transport_type] to [place_name] | book a [transport_type] for [time]
        | i need a [transport_type] from [place_name] at [time]
        | get me a [transport_agency] to the [business_type]""",
    ("transport", "ticket", 1.4): """book a [transport_type] ticket to [place_name]
        | buy tickets from [place_name] to [place_name] for [date]
        | reserve a seat on the [time] [transport_type] to [place_name]
        | how much is a [transport_type] ticket to [place_name]""",
    ("transport", "traffic", 1.2): """how is the traffic to [place_name] | is there a traffic jam near [place_name]
        | traffic report for [place_name] [date] | how long is the drive to [place_name] [timeofday]""",
    ("weather", "query", 6.5): """what is the weather in [place_name] | will it be [weather_descriptor] [date]
        | is it going to be [weather_descriptor] in [place_name] [date] | how is the weather [date] [timeofday]
        | do i need an umbrella in [place_name] | what is the temperature in [place_name] [date]
        | tell me if it gets [weather_descriptor] this [timeofday] | weather forecast for [place_name]""",
}

ENTITIES = {
    "time": """five am | six am | seven am | eight am | nine pm | ten pm | noon | midnight | seven thirty
        | six fifteen | half past eight | a quarter to nine | eleven o'clock | two in the afternoon | four thirty
        | three pm""",
    "date": """today | tomorrow | monday | tuesday | wednesday | thursday | friday | saturday | sunday | this week
        | next week | this weekend | next monday | the first of may | the tenth of june | march third
        | christmas day | next month | the day after tomorrow | april twentieth""",
    "day": """monday | tuesday | wednesday | thursday | friday | saturday | sunday | next monday | the first of may
        | the tenth of june | march third | christmas day | april twentieth | the second of august""",
    "timeofday": "morning | evening | afternoon | night | lunchtime",
    "time_span": "ten minutes | an hour | two hours | half an hour | twenty minutes",
    "time_zone": "eastern time | pacific time | greenwich time | central time | mountain time",
    "general_frequency": """every day | every morning | every monday | once a week | daily | every hour
        | every evening""",
    "place_name": """london | paris | new york | berlin | chicago | edinburgh | rome | tokyo | boston | madrid
        | sydney | texas | scotland | california | dublin | canada | mexico | glasgow | los angeles | germany
        | san francisco | oxford | manchester | india""",
    "person": """john | mary | anna | peter | michael | susan | david | emma | doctor brown | sarah | robert | linda
        | tom | alice | george | helen | mister smith | james | laura | martin""",
    "relation": """mother | father | brother | sister | wife | husband | boss | friend | uncle | aunt | cousin
        | colleague | son""",
    "event_name": """meeting | birthday party | dentist appointment | concert | conference | football match | lunch
        | wedding | haircut | job interview | dinner | yoga class | festival | book club | exam""",
    "house_place": """kitchen | bedroom | living room | bathroom | garage | hallway | garden | dining room | office
        | cellar""",
    "change_amount": "ten percent | twenty percent | half | fifty percent | a little | thirty percent",
    "ingredient": """milk | eggs | butter | chicken | potatoes | tomatoes | rice | onions | apples | cheese
        | carrots | flour | mushrooms | salmon | beans | garlic""",
    "food_type": """pizza | chinese | sushi | pasta | curry | lasagna | burgers | thai | apple pie | pancakes
        | chicken soup | indian | salad | fish and chips | tacos""",
    "cooking_type": "bake | cook | fry | grill | roast | steam",
    "meal_type": "breakfast | lunch | dinner | supper | dessert",
    "personal_info": "phone number | address | email address | birthday | job title | home number",
    "email_folder": "inbox | work folder | spam folder | private folder | archive",
    "joke_type": "funny | clever | silly | short | christmas",
    "definition_word": """democracy | gravity | elephant | computer | happiness | volcano | photosynthesis | wisdom
        | galaxy | umbrella | philosophy | inflation | kangaroo | thunder | honesty | bicycle""",
    "media_type": "facebook | twitter | instagram | the guardian | the times | television | the b b c | youtube",
    "device_type": """robot vacuum cleaner | smart plug | heater | fan | coffee machine | television
        | washing machine | roomba""",
    "coffee_type": "coffee | espresso | cappuccino | latte | black coffee | double espresso",
    "color_type": "red | blue | green | yellow | purple | orange | warm white | pink | dark blue",
    "list_name": "grocery | shopping | to do | holiday | work | birthday | packing | wish | christmas | cleaning",
    "music_genre": "jazz | rock | classical | hip hop | country | blues | pop | folk | techno | reggae",
    "artist_name": """the beatles | madonna | mozart | johnny cash | queen | adele | elton john | beethoven
        | bob dylan | whitney houston | michael jackson | pink floyd | nina simone""",
    "song_name": """yesterday | summer wine | moon river | hey jude | thunder road | purple rain | imagine
        | hotel california | let it be | blue velvet | yellow submarine""",
    "playlist_name": "workout | party | summer | running | relaxing | road trip | favourites | dinner",
    "player_setting": "repeat | shuffle | skip | pause | replay",
    "news_topic": """politics | sports | football | the election | science | the economy | technology | climate
        | brexit | health""",
    "audiobook_name": """moby dick | harry potter | pride and prejudice | the hobbit | treasure island | dracula
        | oliver twist""",
    "game_name": "chess | tic tac toe | monopoly | solitaire | hangman | scrabble | checkers | poker | a quiz",
    "podcast_name": """science friday | this american life | the daily | serial | planet money | history hour
        | radio lab""",
    "radio_name": """radio four | jazz f m | classic f m | ninety nine point five | capital radio | the rock station
        | radio one""",
    "currency_name": "dollars | euros | pounds | japanese yen | rupees | swiss francs | pesos | american dollars",
    "business_name": """apple | google | amazon | microsoft | starbucks | pizza hut | domino's | tesla | walmart
        | ikea""",
    "business_type": """restaurant | supermarket | pharmacy | cinema | coffee shop | bakery | hotel | gas station
        | bookshop""",
    "movie_type": "horror | comedy | action | romantic | science fiction | animated",
    "order_type": "delivery | takeaway | large portion | pick up",
    "transport_type": "train | bus | taxi | plane | cab | ferry | tram | subway",
    "transport_agency": "uber | lyft | city cab | yellow cab",
    "weather_descriptor": "sunny | rainy | cold | windy | cloudy | hot | snowy | foggy | stormy | warm | freezing",
}

PHRASES = {
    "START": "SAY | SAY | SAY | SAY | olly SAY | hey olly SAY",
    "CANCEL": "cancel | delete | remove",
    "DEVICE": "music | speaker | radio | television | sound | phone",
    "WHEN": "on [day] | this [timeofday] | for [date]",
    "BLUE": "blue | black | new | red | warm",
    "NUMBER": "three | seven | twelve | fifteen | twenty five | forty | sixty two | ninety | eighteen | four",
}
