"""Words that mail programs and people put around what they write, in many languages, casefolded."""

from __future__ import annotations


def _phrases(*lines: str) -> frozenset[str]:
    return frozenset(phrase.strip().casefold() for line in lines for phrase in line.split("|"))


# The first line of the block above an earlier mail.
FROM = _phrases(
    "from|von|de|da|van|fra|från|lähettäjä|od|от|від|kimden|gönderen|feladó|odesílatel|odosielateľ|από|de la",
    "expéditeur|remitente|mittente|afzender|发件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람",
    "من|المرسل|प्रेषक|מאת|จาก",
)

_OTHERS = _phrases(
    "sent|date|to|cc|bcc|subject|reply-to|importance|attachments",
    "gesendet|datum|an|betreff|kopie|anlagen|gesendet am",
    "envoyé|envoyé le|à|objet|copie à|enviado|enviado el|enviado em|enviada em|fecha|para|asunto|assunto",
    "inviato|data|a|oggetto|verzonden|aan|onderwerp|sendt|dato|til|emne|skickat|till|ämne|kopia|lähetetty|aihe",
    "vastaanottaja|wysłano|do|temat|dw|отправлено|дата|кому|тема|копия|надіслано|odesláno|komu|předmět|gönderildi",
    "gönderme tarihi|tarih|kime|konu|elküldve|dátum|címzett|tárgy|trimis|către|subiect|στάλθηκε|προς|θέμα|ημερομηνία",
    "发送时间|发送日期|日期|收件人|主题|抄送|寄件日期|收件者|主旨|副本|送信日時|日時|宛先|件名",
    "보낸 날짜|날짜|받는 사람|제목|참조",
    "تاريخ|التاريخ|إلى|الموضوع|نسخة|भेजा गया|दिनांक|प्रति|विषय|נשלח|תאריך|אל|נושא",
)
LABELS = FROM | _OTHERS

# Of "On ... wrote:"; looked for anywhere in a line that ends with a colon.
WROTE = _phrases(
    " wrote| writes| schrieb| schrieben| a écrit| écrit | escribió| escreveu| ha scritto| schreef| skrev| kirjoitti",
    " napisał| napisała| pisze| написал| написала| пишет| писал| napsal| napsala| napísal| yazdı| ezt írta| a scris",
    " έγραψε|写道|寫道|が書きました|のメール|さんは書きました|님이 작성|작성:|كتب|ने लिखा|כתב",
)

# What stands alone on a line above a name.
CLOSINGS = _phrases(
    "best regards|kind regards|warm regards|regards|best wishes|best|sincerely|yours sincerely|sincerely yours",
    "yours faithfully|yours truly|yours|respectfully|cordially|cheers|thanks|many thanks|thank you|thanks and regards",
    "thanks & regards|with kind regards|with best regards|all the best|take care|with best wishes|thanks in advance",
    "thanks again|thank you very much|talk soon|br|kr",
    "mit freundlichen grüßen|mit freundlichen grüssen|mit freundlichem gruß|mit freundlichem gruss|freundliche grüße",
    "freundliche grüsse|freundlicher gruss|viele grüße|viele grüsse|beste grüße|beste grüsse|liebe grüße|liebe grüsse",
    "herzliche grüße|herzliche grüsse|schöne grüße|mit besten grüßen|mit herzlichen grüßen|grüße|grüsse|gruß|gruss",
    "hochachtungsvoll|vielen dank|danke|mfg|vg|lg",
    "cordialement|bien cordialement|très cordialement|bien à vous|bien à toi|salutations|meilleures salutations",
    "sincères salutations|salutations distinguées|amicalement|respectueusement|merci|merci d'avance|cdlt|cdt",
    "saludos|un saludo|saludos cordiales|un cordial saludo|reciba un cordial saludo|atentamente|muchas gracias|gracias",
    "cordiali saluti|distinti saluti|saluti|un saluto|un cordiale saluto|grazie|grazie mille",
    "atenciosamente|cumprimentos|com os melhores cumprimentos|melhores cumprimentos|obrigado|obrigada|abraços|att",
    "met vriendelijke groet|met vriendelijke groeten|vriendelijke groeten|groeten|groet|bedankt|mvg",
    "pozdrawiam|serdecznie pozdrawiam|z poważaniem|med vänliga hälsningar|vänliga hälsningar|hälsningar|mvh",
    "med vennlig hilsen|vennlig hilsen|med venlig hilsen|venlig hilsen|hilsen|ystävällisin terveisin|terveisin",
    "с уважением|с наилучшими пожеланиями|всего доброго|з повагою|s pozdravem|s přátelským pozdravem",
    "saygılarımla|saygılarımızla|iyi çalışmalar|teşekkürler|üdvözlettel|tisztelettel|cu stimă|με εκτίμηση",
    "此致|此致敬礼|敬礼|祝好|谢谢|敬上|顺颂商祺|敬具|よろしくお願いします|よろしくお願いいたします|よろしくお願い致します",
    "以上、よろしくお願いいたします|감사합니다",
    "مع خالص التحية|مع التحية|تحياتي|وتفضلوا بقبول فائق الاحترام|सादर|धन्यवाद|בברכה",
)

# "Sent from my phone", as phones say it.
DEVICES = _phrases(
    "sent from my |sent from outlook|get outlook for|von meinem iphone gesendet|von meinem ipad gesendet",
    "gesendet von mein|gesendet mit der |envoyé de mon |envoyé depuis mon|enviado desde mi |enviado do meu ",
    "inviato da iphone|inviato dal mio |verzonden vanaf mijn |skickat från min |sendt fra min |lähetetty iphone",
    "wysłane z |отправлено с |отправлено из |iphone'umdan gönderildi|从我的|发自我的|iphoneから送信|내 iphone에서 보냄",
    "أرسلت من|मेरे iphone से",
)
