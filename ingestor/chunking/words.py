"""Word lists of the sentence rules, without their full stop, in small letters: English, German, French, Spanish."""

from __future__ import annotations


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


# Followed by a name, a number or the rest of the phrase: they never end a sentence worth splitting.
NEVER_END = _words(
    "mr mrs ms messrs dr prof st rev hon sen rep gov gen col capt lt sgt maj cmdr pres supt",
    "vs cf viz resp approx ca circa e.g eg i.e ie lit fig figs eq eqs vol vols pp ed eds trans dept univ assn mt ft",
    "hr fr dipl ing mag z z.b bzw d.h ggf evtl inkl exkl zzgl vgl sog bspw abb nr tel str u.a o.ä s.o s.u i.d.r v.a",
    "mme mlle mm me av apr p.ex env réf tél",
    "sra srta sres ud uds dña ee pág págs núm tel avda dpto p.ej",
)

# Ordinary words or single letters, unless a number follows.
NOT_BEFORE_NUMBER = _words(
    "no nos art arts abs s p ch chap sec sect § ver v tab cap kap bd ziff ex app ann item bl n°",
    "jan feb mar apr jun jul aug sep sept oct nov dec okt dez janv févr avr juil déc ene abr ago dic",
)

# They may stand at the end of a sentence: the next word decides.
MAY_END = _words(
    "etc usw u.s.w et.al inc ltd corp co plc llc gmbh cie jr sr bros a.m p.m ph.d m.a b.a u.s u.k u.n ee.uu no",
    "est min max std sek",
) - {"no"}

# Words that open sentences far more often than they follow an abbreviation.
OPENERS = _words(
    "the a an this that these those it he she we they you i in on at as if when while after before for from to by with",
    "and but or so however there here what who how why where all most some many no not our his her its their",
    "der die das ein eine es er sie wir ihr im in am auf an bei mit nach von zu und aber oder wenn dies diese dieser",
    "le la les un une des il elle ils elles nous vous ce cette ces dans en sur pour par avec et mais",
    "el los las una unos esta este esto estos en por para con y pero su sus se",
)

# "am 3. Oktober", "der 2. Weltkrieg"
GERMAN_DATE_LEADS = _words("am der den dem des vom zum im bis die das ab seit jeder jeden")

MONTHS = _words(
    "januar februar märz april mai juni juli august september oktober november dezember jahrhundert jahrhunderts",
)
