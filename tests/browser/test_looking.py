"""The checks that every page goes through find what they are there for."""

from browser.looking import axe_violations, sideways_scroll


async def test_axe_names_the_rule_and_the_element(visit):
    page = await visit("/sign-in")
    await page.evaluate("document.querySelector('label[for=login]').remove()")

    violations = await axe_violations(page)

    assert [text.partition(": #login: ")[0] for text in violations] == ["label"]


async def test_a_page_that_is_too_wide_is_noticed(visit):
    page = await visit("/sign-in", width=390)
    await page.evaluate("document.querySelector('main').style.inlineSize = '500px'")

    assert await sideways_scroll(page) > 0


async def test_a_script_that_the_policy_forbids_is_heard(visit, complaints):
    complaints.expect("Content Security Policy")
    page = await visit("/sign-in")
    before = complaints.unexpected

    await page.evaluate("document.body.setAttribute('onclick', 'alert(1)'); document.body.click()")
    await page.evaluate("console.error('something else')")

    assert before == []
    assert complaints.unexpected == ["error: something else"]
    complaints.expect("something else")
