"""In which language a text is, and which a model knows by its card."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestor.embedding.languages import language_of, trained_on
from ingestor.embedding.models import DEFAULT_MODEL, resolve_model

TEXTS = {
    "en": "The refund is paid within seven days of the return, and it will be sent to the account from which the order "
    "was paid. It is not possible to have it paid to another one.",
    "de": "Die Erstattung wird innerhalb von sieben Tagen nach der Rücksendung auf das Konto gezahlt, von dem die "
    "Bestellung bezahlt wurde. Es ist nicht möglich, sie auf ein anderes Konto zu erhalten.",
    "fr": "Le remboursement est effectué dans les sept jours qui suivent le retour, sur le compte avec lequel la "
    "commande a été payée. Il n'est pas possible de le recevoir sur un autre compte que celui de la commande.",
    "es": "El reembolso se paga en los siete días que siguen a la devolución, en la cuenta con la que se pagó el pedido. "
    "No es posible recibirlo en otra cuenta que no sea la del pedido.",
    "it": "Il rimborso è pagato entro sette giorni dalla restituzione sul conto con il quale è stato pagato l'ordine. "
    "Non è possibile riceverlo su un conto che non sia quello dell'ordine in questione.",
    "pt": "O reembolso é pago em sete dias após a devolução na conta com a qual o pedido foi pago. Não é possível "
    "receber o valor em uma conta que não seja a do pedido que foi feito na loja.",
    "nl": "De terugbetaling wordt binnen zeven dagen na de retour gedaan op de rekening van de bestelling. Het is niet "
    "mogelijk om het geld op een andere rekening te krijgen dan die van de bestelling zelf.",
    "sv": "Återbetalningen görs inom sju dagar till det konto som beställningen betalades med. Det är inte möjligt att "
    "få pengarna på ett annat konto än det som har använts för beställningen i butiken.",
    "pl": "Zwrot jest wypłacany w ciągu siedmiu dni na konto, z którego zostało opłacone zamówienie. Nie jest możliwe "
    "otrzymanie go na inne konto niż to, z którego się płaciło, i nie ma od tego wyjątków dla firm oraz osób.",
    "zh": "退款将在收到退货后七天内支付到下单时使用的账户。",
    "ja": "返金は返品を受け取ってから七日以内に、注文に使われた口座へ支払われます。",
    "ko": "환불은 반품을 받은 후 칠일 이내에 주문에 사용된 계좌로 지급됩니다.",
    "ar": "يُدفع المبلغ المسترد خلال سبعة أيام إلى الحساب الذي دُفع منه الطلب.",
    "hi": "धनवापसी सात दिनों के भीतर उसी खाते में की जाती है जिससे ऑर्डर का भुगतान हुआ था।",
    "ru": "Возврат выплачивается в течение семи дней на счёт, с которого был оплачен заказ.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_the_language_of_prose_is_told(language: str) -> None:
    """In a few sentences, whatever the script."""
    assert language_of(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text",
    ["", "42 | 17.5 | 003", "Berlin Hamburg Kiel " * 30, "def f(x):\n    return x + 1\n" * 9, "Guten Tag"],
    ids=["empty", "numbers", "names", "code", "short"],
)
def test_what_is_no_prose_is_of_no_language(text: str) -> None:
    """So that tables and code count for and against no model."""
    assert language_of(text) == ""


@pytest.mark.parametrize(
    ("card", "languages"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n# M", {"en"}),
        ("---\nlanguage:\n- en\n- de\ntags:\n- x\n---\n", {"en", "de"}),
        ("---\ntags:\n- x\nlanguage: [fr, es]\n---\n", {"fr", "es"}),
        ("---\nlanguage:\n- multilingual\n- en\n---\n", set()),
        ("---\ntags:\n- language\n---\nlanguage: en", set()),
        ("no card", set()),
        (None, set()),
    ],
)
def test_a_model_says_what_it_knows(tmp_path: Path, card: str | None, languages: set[str]) -> None:
    """As cards are written; where one says nothing, nothing is claimed."""
    if card is not None:
        (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert trained_on(tmp_path) == languages


def test_the_built_in_model_knows_english() -> None:
    """Its card says so."""
    assert trained_on(resolve_model(DEFAULT_MODEL).folder) == {"en"}
