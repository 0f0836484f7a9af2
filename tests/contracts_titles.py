"""What every catalogue must keep of titles; subclass per backend."""

from coverproxy.domain.identifier import Identifier
from coverproxy.domain.item_title import ItemTitle
from coverproxy.originals.base import Catalogue

EMMA = Identifier("isbn", "9780141439587")
OCLC = Identifier("oclc", "5678")
OWN = Identifier("local:koha", "0012")


class TitleContract:
    """Titles by identifier."""

    def test_the_latest_title_is_kept(self, catalogue: Catalogue) -> None:
        """A title is kept under each name, of any scheme, without a cover; a later one replaces it."""
        titles = catalogue.titles
        titles.keep({EMMA: ItemTitle("Emma", "Jane Austen"), OCLC: ItemTitle("Emma"), OWN: ItemTitle("Ema")})
        titles.keep({OWN: ItemTitle("Эмма «роман»", "O'Neill % ?")})
        titles.keep({})

        assert titles.of([OWN, EMMA]) == {
            EMMA: ItemTitle("Emma", "Jane Austen"),
            OWN: ItemTitle("Эмма «роман»", "O'Neill % ?"),
        }
        assert titles.of([Identifier("isbn", "9780141439518")]) == titles.of([]) == {}

    def test_many_titles_at_once(self, catalogue: Catalogue) -> None:
        """Hundreds are written together; of those asked for, each is found under its own name."""
        many = {Identifier("oclc", str(n)): ItemTitle(f"Volume {n}", "Anonymous") for n in range(1, 700)}
        catalogue.titles.keep(many)
        assert catalogue.titles.of(many) == many

    def test_titles_go_with_their_transaction(self, catalogue: Catalogue) -> None:
        """What a failed transaction wrote is not kept."""
        try:
            with catalogue.writing() as tables:
                tables.titles.keep({EMMA: ItemTitle("Emma")})
                assert tables.titles.of([EMMA]) == {EMMA: ItemTitle("Emma")}
                raise InterruptedError
        except InterruptedError:
            pass
        assert catalogue.titles.of([EMMA]) == {}
