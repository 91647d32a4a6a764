"""What of a mail is its own, and what is a signature or an earlier mail: tables in many languages, and the cuts."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import pytest

from ingestor.chunking.cutter import SemanticCutter
from ingestor.model import Document, ElementKind

Parsed = Callable[[str, bytes], Document]

PARAGRAPH, QUOTE, TURN = ElementKind.PARAGRAPH, ElementKind.QUOTE, ElementKind.TURN
HISTORY, SIGNATURE = ElementKind.HISTORY, ElementKind.SIGNATURE


def parts(parsed: Parsed, plain: str = "", html: str = "") -> list[tuple[ElementKind, str]]:
    """Kinds and words of a mail's body."""
    mail = EmailMessage()
    mail["Subject"] = "Pump"
    mail.set_content(plain or "x")
    if html:
        mail.add_alternative(html, subtype="html")
    document = parsed("m.eml", mail.as_bytes())
    return [(e.kind, document.text[e.start : e.end]) for e in document.elements[1:]]


def kinds(parsed: Parsed, plain: str = "", html: str = "") -> list[ElementKind]:
    return [kind for kind, _ in parts(parsed, plain, html)]


ATTRIBUTIONS = (
    "On Mon, 5 Jan 2026 at 10:00, Ann Smith <ann@example.org> wrote:",
    "On Monday, 5 January 2026, at 10:00 AM, Ann Smith (Sales)\n<ann@example.org> wrote:",
    "Am 05.01.2026 um 10:00 schrieb Anna Schmidt:",
    "Am Mo., 5. Jan. 2026 um 10:00 Uhr schrieb Anna Schmidt <anna@example.org>:",
    "Le lun. 5 janv. 2026 à 10:00, Anne Petit <anne@example.org> a écrit :",
    "El lun, 5 ene 2026 a las 10:00, Ana Pérez (<ana@example.org>) escribió:",
    "Il giorno lun 5 gen 2026 alle ore 10:00 Anna Bianchi <anna@example.org> ha scritto:",
    "Op ma 5 jan 2026 om 10:00 schreef Anna de Vries <anna@example.org>:",
    "pon., 5 sty 2026 o 10:00 Anna Nowak <anna@example.org> napisał(a):",
    "пн, 5 янв. 2026 г. в 10:00, Анна Иванова <anna@example.org>:",
    "2026年1月5日(月) 10:00 佐藤 <sato@example.org>:",
    "在 2026年1月5日，王芳 <wang@example.org> 写道：",
    "2026년 1월 5일 (월) 오전 10:00, 김민수 <kim@example.org>님이 작성:",
    "في الاثنين، 5 يناير 2026 في 10:00 كتب أحمد <ahmad@example.org>:",
    "Ann Smith writes:",
)


@pytest.mark.parametrize("line", ATTRIBUTIONS)
def test_what_is_quoted_below_an_attribution_is_an_earlier_mail(parsed: Parsed, line: str) -> None:
    """In a plain mail with marks, and in HTML with a quotation; with words of one's own above or below it."""
    quoted = "> The pump stands still since Friday.\n> Please have a look at it."
    assert kinds(parsed, f"We will come tomorrow.\n\n{line}\n{quoted}\n") == [PARAGRAPH, TURN, HISTORY]
    assert kinds(parsed, f"{line}\n\n{quoted}\n\nWe will come tomorrow.\n") == [TURN, HISTORY, PARAGRAPH]
    html = line.replace("<", "&lt;").replace("\n", "<br>")
    body = f"<p>We will come.</p><div>{html}</div><blockquote><p>The pump stands still.</p></blockquote>"
    assert kinds(parsed, html=body) == [PARAGRAPH, TURN, HISTORY]


HEADS = (
    ("From: Ann Smith", "Sent: Monday, 5 January 2026 10:00", "To: Service", "Subject: Pump"),
    ("Von: Anna Schmidt <anna@example.org>", "Gesendet: Montag, 5. Januar 2026 10:00", "An: Service", "Betreff: Pumpe"),
    ("De : Anne Petit", "Envoyé : lundi 5 janvier 2026 10:00", "À : Service", "Objet : Pompe"),
    ("De: Ana Pérez", "Enviado: lunes, 5 de enero de 2026", "Para: Servicio", "Asunto: Bomba"),
    ("Da: Anna Bianchi", "Inviato: lunedì 5 gennaio 2026", "A: Servizio", "Oggetto: Pompa"),
    ("Van: Anna de Vries", "Verzonden: maandag 5 januari 2026", "Aan: Service", "Onderwerp: Pomp"),
    ("Från: Anna Berg", "Skickat: den 5 januari 2026", "Till: Service", "Ämne: Pump"),
    ("Od: Anna Nowak", "Wysłano: poniedziałek, 5 stycznia 2026", "Do: Serwis", "Temat: Pompa"),
    ("От: Анна Иванова", "Отправлено: 5 января 2026 г. 10:00", "Кому: Сервис", "Тема: Насос"),
    ("发件人: 王芳", "发送时间: 2026年1月5日 10:00", "收件人: 服务", "主题: 水泵"),
    ("差出人: 佐藤", "送信日時: 2026年1月5日 10:00", "宛先: サービス", "件名: ポンプ"),
    ("보낸 사람: 김민수", "보낸 날짜: 2026년 1월 5일", "받는 사람: 서비스", "제목: 펌프"),
)


@pytest.mark.parametrize("lines", HEADS, ids=lambda lines: lines[0].split(":")[0])
def test_below_the_head_of_a_mail_stands_that_mail(parsed: Parsed, lines: tuple[str, ...]) -> None:
    """Without a mark on any line, to the end: in one paragraph, or in one for each line."""
    earlier = "The pump stands still since Friday.\n\nPlease have a look at it.\n"
    plain = "We will come.\n\n" + "\n".join(lines) + "\n\n" + earlier
    assert kinds(parsed, plain) == [PARAGRAPH, TURN, HISTORY, HISTORY]
    ruled = "We will come.\n\n-----Original Message-----\n\n" + "\n".join(lines) + "\n\n" + earlier
    assert kinds(parsed, ruled) == [PARAGRAPH, TURN, TURN, HISTORY, HISTORY]
    lines = tuple(line.replace("<", "&lt;") for line in lines)
    rows = "".join(f"<p><b>{line.split(':')[0]}:</b>{line.split(':', 1)[1]}</p>" for line in lines)
    assert kinds(parsed, html=f"<p>We will come.</p>{rows}<p>It stands still.</p>") == [
        PARAGRAPH, TURN, TURN, TURN, TURN, HISTORY,
    ]  # fmt: skip
    inline = "<br>".join(lines)
    assert kinds(parsed, html=f"<p>We will come.</p><p>{inline}</p><p>It stands still.</p>") == [
        PARAGRAPH, TURN, HISTORY,
    ]  # fmt: skip


CLOSINGS = (
    "Best regards,\nAnn Smith\nSales, Example Ltd\n+44 20 7946 0000",
    "Kind regards\n\nAnn",
    "Thanks, Ann Smith",
    "Mit freundlichen Grüßen\n\nAnna Schmidt\nBeispiel GmbH\nTel. 030 123456",
    "Viele Grüße\nAnna",
    "Bien cordialement,\n\nAnne Petit\nService clients",
    "Un saludo,\nAna Pérez",
    "Cordiali saluti,\nAnna Bianchi",
    "Atenciosamente,\nAna Souza",
    "Met vriendelijke groet,\n\nAnna de Vries",
    "Med vänliga hälsningar\nAnna Berg",
    "Z poważaniem,\nAnna Nowak",
    "С уважением,\nАнна Иванова",
    "此致\n敬礼\n王芳",
    "よろしくお願いいたします。\n\n佐藤",
    "مع خالص التحية\nأحمد",
    "-- \nAnn Smith\nhttps://example.org",
    "-- \nOne thing only.\n\nAnd a footer of a list, which may be as long as it likes to be. " + "It goes on. " * 90,
    "Sent from my iPhone",
    "Von meinem iPhone gesendet",
    "Envoyé de mon iPhone",
)


@pytest.mark.parametrize("closing", CLOSINGS, ids=lambda closing: closing.split("\n")[0] + closing[-5:])
def test_a_signature_is_one(parsed: Parsed, closing: str) -> None:
    """Behind the words and apart from them, also where no empty line stands between, and in what is quoted."""
    for gap in ("\n\n", "\n"):
        if gap == "\n" and closing.startswith(("Sent", "Von", "Envoyé")):
            continue
        found = kinds(parsed, f"The pump runs again since we changed the seal.{gap}{closing}\n")
        assert found[0] is PARAGRAPH
        assert set(found[1:]) == {SIGNATURE}
    if len(closing) < 300:
        earlier = "\n".join(f"> {line}" for line in f"It runs again.\n\n{closing}".split("\n"))
        found = kinds(parsed, f"Good.\n\nOn 5 Jan 2026, Ann <ann@example.org> wrote:\n{earlier}\n")
        assert found[:3] == [PARAGRAPH, TURN, HISTORY]
        assert set(found[3:]) == {SIGNATURE}


OWN = (
    "Thanks for your help with the seal of the pump, it runs again.",
    "Best, in my view, is the seal of rubber.\nIt lasts for years.",
    "Thanks!",
    "Dear all,\n\nplease note:\n\nthe pump stands still.",
    "Regards the seal: we have none left.\n\nThe next ones come in May, and then we shall change all of them at once.",
    "Name: Pump\nPlace: Hall 3\nDate: 5 January 2026",
    "From: the harbour\nTo the crane it is a mile.",
    "The log says at 10:00:\n\nNothing was done.",
    "- seals\n- grease\n- water",
    "a -- b, that is the question\n-- and nobody answers it.",
    (
        "Thanks,\nAnn\n\nThe following was decided on Monday and has to be told to everybody who works in the hall, because"
        " nobody else knows of it: the pump is switched off at six, and on again at seven, from Monday on, by whoever comes"
        " first."
    ),
)


@pytest.mark.parametrize("words", OWN, ids=lambda words: words[:20])
def test_what_only_looks_like_it_stays_the_mails_own(parsed: Parsed, words: str) -> None:
    """Thanks for something, a form, lists, dashes; and a long text below a closing."""
    assert not {TURN, HISTORY, SIGNATURE}.intersection(kinds(parsed, words + "\n"))


def test_an_afterthought_is_no_signature(parsed: Parsed) -> None:
    """What stands below the name counts like the rest."""
    found = parts(parsed, "We come.\n\nBest regards,\nAnn\n\nPS: The seal costs 40 euros.\n")
    assert [kind for kind, _ in found] == [PARAGRAPH, SIGNATURE, PARAGRAPH]
    assert found[-1][1].startswith("PS")


def test_a_short_quotation_stays_with_its_answer(parsed: Parsed) -> None:
    """Question and answer by turns are a conversation; what stands below the last answer is an earlier mail."""
    plain = "> When do you come?\nTomorrow.\n\n> And the seal?\nWe bring one.\n\n> See you then.\n"
    assert kinds(parsed, plain) == [QUOTE, PARAGRAPH, QUOTE, PARAGRAPH, HISTORY]


def test_mails_within_mails_are_told_apart(parsed: Parsed) -> None:
    """Each turn of a thread by its depth, and nothing of the text is lost."""
    plain = (
        "Fine.\n\nOn 6 Jan 2026 at 09:00, Bob <bob@example.org> wrote:\n> We come.\n>\n"
        "> On 5 Jan 2026 at 10:00, Ann <ann@example.org> wrote:\n>> It stands still.\n"
    )
    found = parts(parsed, plain)
    assert [kind for kind, _ in found] == [PARAGRAPH, TURN, HISTORY, TURN, HISTORY]
    assert "".join("".join(words for _, words in found).split()) == "".join(plain.split())


def test_a_passage_is_of_one_voice(parsed: Parsed) -> None:
    """Cuts stand between the reply, its signature and each earlier mail; who speaks goes with what is said."""
    mail = EmailMessage()
    mail["Subject"] = "Pump"
    mail.set_content(
        "We come tomorrow at nine.\n\nKind regards\nBob Miller\n\n"
        "On Mon, 5 Jan 2026 at 10:00, Ann <ann@example.org> wrote:\n> The pump in hall three stands still.\n>\n"
        "> -- \n> Ann Smith, Example Ltd\n"
    )
    document = parsed("m.eml", mail.as_bytes())
    passages = SemanticCutter().cut(document)
    assert [passage.text.split("\n\n", 1)[-1 if passage.start == 0 else 0].split()[0] for passage in passages] == [
        "We", "Kind", "On", ">",
    ]  # fmt: skip
    assert [passage.reason for passage in passages] == ["turn", "turn", "turn", "end"]
    assert "stands still" in passages[2].text
    assert passages[3].units[0].text == "-- Ann Smith, Example Ltd"
    covered = "".join(passage.text for passage in passages)
    assert "".join(covered.split()) == "".join(document.text.split())
