"""What the simulated agents and users say: words, sentence templates, code, and how a text is put together.

In: `draw`, a source of random numbers from 0 up to 1 (`random.Random(seed).random`), and a language. Out: text.
Never: draws by any other method than `random()`, the one whose numbers Python promises to keep for a seed; never
computes a logarithm or a power, whose last bit differs between C libraries. The texts are invented.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

Draw = Callable[[], float]
T = TypeVar("T")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


def _stanzas(text: str) -> tuple[str, ...]:
    return tuple(text.strip().split("\n\n"))


MIN_CONTENT_CHARS, MAX_CONTENT_CHARS = 40, 1500

AGENTS = ("@backend", "@frontend", "@qa", "@devops", "@orchestrator", "@database", "@security", "@writer")
USERS = _words("Amina Bastien Chiara Dmitri Eun-ji Farid Greta Hiroshi Ines Jonas Kateryna Leandro")
MODELS = (
    ("claude-3-5-sonnet", "anthropic"),
    ("gpt-4o-mini", "openai"),
    ("llama-3.1-70b", "ollama"),
    ("claude-3-opus", "anthropic"),
    ("mistral-large", "mistral"),
)
ERRORS = (
    ("rate_limited", "The provider refused the request: too many tokens in the last minute"),
    ("agent_timeout", "The agent gave no answer within 30 seconds"),
    ("context_too_long", "The conversation no longer fits the model's context; older messages were left out"),
    ("provider_unavailable", "The provider closed the connection before the answer was complete"),
    ("tool_failed", "A tool that the agent called ended with exit code 1"),
)


@dataclass(frozen=True, kw_only=True)
class Language:
    """The templates and words of one language. Units: density as characters in relation to English."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    orders: tuple[str, ...]
    items: tuple[str, ...]
    headings: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    space: str = " "
    density: float = 1.0


def between(draw: Draw, low: float, high: float) -> float:
    """A number from low up to high, each as likely."""
    return low + (high - low) * draw()


def pick(draw: Draw, options: Sequence[T]) -> T:
    """One of the options, each as likely."""
    return options[int(draw() * len(options))]


def favour(draw: Draw, options: Sequence[T]) -> T:
    """One of the options, the early ones more often, about as Zipf's law has it.

    The law gives the first of 20 options 28 % of the draws and the first of 200 17 %; the square of a draw gives 22 %,
    its cube 17 %.
    """
    chance = draw()
    chance *= chance if len(options) < 60 else chance * chance
    return options[int(chance * len(options))]


def on_topic(draw: Draw, language: Language) -> Language:
    """The same language, narrowed to the few words that one conversation keeps coming back to."""
    topic = {name: tuple(pick(draw, language.words[name]) for _ in range(size)) for name, size in _TOPIC.items()}
    return replace(language, words={**language.words, **topic})


def sentence(draw: Draw, language: Language) -> str:
    """One statement, with a capital and a full stop."""
    return _capital(_fill(draw, favour(draw, language.statements), language))


def content(draw: Draw, language: Language, low: int, high: int) -> str:
    """What an agent answers: Markdown of paragraphs, lists and code.

    Units: characters; about low to high, always within `MIN_CONTENT_CHARS` and `MAX_CONTENT_CHARS`.
    """
    return _gather(draw, language, between(draw, low, high), _block, "\n\n")


def remark(draw: Draw, language: Language, low: int, high: int) -> str:
    """What a user writes: statements and questions in one paragraph. Units: as `content` has them."""
    return _gather(draw, language, between(draw, low, high), _utterance, language.space)


def brief(draw: Draw, language: Language) -> str:
    """What a task of a plan is to do: an order and two to five statements, in 100 to 700 characters or so."""
    told = [_capital(_fill(draw, favour(draw, language.orders), language))]
    told += [sentence(draw, language) for _ in range(int(between(draw, 2, 6)))]
    return language.space.join(told)


def pieces(text: str) -> list[str]:
    """The text cut into words as a model streams them, each with the blanks before it; joined, they are the text."""
    return _PIECE.findall(text)


# Without this, a text of 1000 characters has too many different words: gzip leaves 62 % of it, of real prose 50 to 60.
_TOPIC = {"noun": 16, "verb": 12, "adj": 10}

# Chinese has no blanks between words; one or two characters are about one token of a model.
_PIECE = re.compile(r"\s*(?:[\u3000-\u9fff\uff00-\uffef]{1,2}|[^\s\u3000-\u9fff\uff00-\uffef]+)|\s+$")
_SLOT = re.compile(r"<([a-z]+)(\d?)>")


def _gather(draw: Draw, language: Language, goal: float, part: Callable[[Draw, Language], str], glue: str) -> str:
    # A Chinese text of 200 characters says what an English one of 500 does.
    goal = max(goal * language.density, MIN_CONTENT_CHARS)
    text = part(draw, language)
    while len(text) < goal:
        longer = text + glue + part(draw, language)
        if len(longer) > MAX_CONTENT_CHARS:
            break
        text = longer
    return text


def _block(draw: Draw, language: Language) -> str:
    chance = draw()
    if chance < 0.18:
        code = _fill(draw, pick(draw, SNIPPETS), language)
        return f"{sentence(draw, language)}\n\n{code}"
    if chance < 0.36:
        return _listing(draw, language)
    count = int(between(draw, 1, 5))
    return language.space.join(sentence(draw, language) for _ in range(count))


def _listing(draw: Draw, language: Language) -> str:
    numbered = draw() < 0.4
    lines = [f"**{_capital(_fill(draw, pick(draw, language.headings), language))}**"]
    for number in range(1, int(between(draw, 3, 7))):
        item = _fill(draw, favour(draw, language.items), language)
        lines.append(f"{number}. {item}" if numbered else f"- {item}")
    return "\n".join(lines)


def _utterance(draw: Draw, language: Language) -> str:
    if draw() < 0.5:
        return _capital(_fill(draw, favour(draw, language.questions), language))
    return sentence(draw, language)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fill(draw: Draw, template: str, language: Language) -> str:
    """Replace each `<slot>` from left to right, also inside what a slot brought in.

    A slot with a digit, as in `<thing1>`, is the same word wherever the template has it.
    """
    kept: dict[str, str] = {}
    filled = []
    for text, name, digit in _parts(template):
        filled.append(text)
        if digit:
            if name + digit not in kept:
                kept[name + digit] = _word(draw, name, language)
            filled.append(kept[name + digit])
        elif name:
            filled.append(_word(draw, name, language))
    return "".join(filled)


# Templates are a few hundred; taken apart once, they let a plan be written in 1.6 ms instead of 2.5.
@cache
def _parts(template: str) -> list[tuple[str, str, str]]:
    """The template as (text, name of the slot after it, digit of that slot); the last slot is empty."""
    cut = [*_SLOT.split(template), "", ""]
    return list(zip(cut[::3], cut[1::3], cut[2::3], strict=True))


def _word(draw: Draw, name: str, language: Language) -> str:
    if name in _FIGURES:
        low, high = _FIGURES[name]
        # The product of two draws makes small figures frequent, as they are in talk.
        return str(int(low + (high - low) * draw() * draw()))
    if name == "hex":
        return f"{int(draw() * 0x10000000):07x}"
    if name == "nouns":
        return _plural(favour(draw, language.words["noun"]))
    options = language.words.get(name) or COMMON.get(name)
    # What is no slot is code, as in `new Set<string>()`.
    return f"<{name}>" if options is None else _fill(draw, favour(draw, options), language)


_FIGURES = {"n": (2, 60), "big": (100, 20_000), "pct": (1, 100), "port": (3000, 9999), "line": (5, 900)}


def _plural(noun: str) -> str:
    if noun.endswith("is"):
        return f"{noun[:-2]}es"
    if noun.endswith("y") and noun[-2] not in "aeo":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


# What all languages share: code and the names in it.
COMMON: Mapping[str, tuple[str, ...]] = {
    "thing": _words(
        """message channel agent token user session task stream room cache queue lookup event frame socket
            bundle window payload worker plan prompt reply schema record buffer client cursor route header attempt
            lease shard bucket timer digest quota secret vector chunk replica tenant webhook snapshot thread
            role probe signal vote draft ledger invoice asset label region rule span metric column filter"""
    ),
    "act": _words(
        """get load send build parse fetch merge flush read write open close find list apply update encode
            decode check make count split drain resolve publish enqueue normalise prune expire hydrate claim
            compact rotate verify collect dispatch restore attach revoke sample"""
    ),
    "name": ("<act>_<thing>", "<thing>_<thing>", "<act>_<thing>s", "<thing>_id", "max_<thing>s", "is_<thing>_ready"),
    "code": ("`<name>`", "`<name>()`", "`<path>`", "`<thing>.<thing>_<act>`", "`<constant>`", "`<hex>`"),
    "constant": _words("""MAX_RETRIES REDIS_URL LOG_LEVEL POOL_SIZE TTL_SECONDS API_BASE QUEUE_DEPTH FEATURE_FLAGS"""),
    "path": (
        "<thing>s/<act>_<thing>.py",
        "src/<thing>/<thing>s.ts",
        "tests/test_<thing>_<act>.py",
        "deploy/<thing>.yaml",
        "<thing>/<thing>.py:<line>",
        "web/hooks/<thing>-<act>.tsx",
    ),
    # Names of products and customers, which no vocabulary has: "Tavorel", "Minu".
    "brand": ("<first><next>", "<first><next><last>", "<first><last>", "<first><next><next>"),
    "first": _words("""Ta Mi Or Ve Lu Ka Bre Sol No Fin Qua Zel Ha Jo Pra Ur Gli Wen Dra Ib Cor Es Thu Yan"""),
    "next": _words("""vo nu ri la men do shi ka ter ba lo ri zu pe gar ni so fe mu xi ta hel"""),
    "last": _words("rel x nd sk m th ly n rum st q lis r bit dex"),
    "agent": AGENTS,
    "user": USERS,
    "measure": (
        "<n> ms",
        "<pct> %",
        "<big> rows",
        "<n> MB",
        "<big> bytes",
        "<n> seconds",
        "<big> requests",
        "<n>.<n> s",
    ),
    "error": (
        "KeyError: '<name>'",
        "TimeoutError after <n> s",
        "connection reset by peer",
        "duplicate key in <thing>s_pkey",
        "HTTP 50<retry>",
        "ValueError: <thing> <big> is out of range",
        "deadlock detected",
    ),
    "retry": ("2", "3", "4"),
    "type": _words("str int float bool bytes dict[str,Any] list[str] datetime UUID None"),
}

SNIPPETS = _stanzas(
    """
```python
async def <act1>_<thing1>(<thing1>_id: <type>, limit: int = <n>) -> <type>:
    <thing1> = await self.<thing1>s.<act>(<thing1>_id)
    if <thing1> is None:
        raise LookupError(f"no <thing1> {<thing1>_id}")
    return <thing1>.<name>[:limit]
```

```python
@router.post("/<thing1>s/{<thing1>_id}/<act1>")
async def <act1>_<thing1>(<thing1>_id: UUID, body: dict) -> dict:
    async with <thing2>_lock:
        done = await <act>_<thing2>(<thing1>_id, **body)
    return {"<thing2>": done}
```

```python
with <act>_<thing>(timeout=<n>) as <thing1>:
    for attempt in range(<n>):
        if <thing1>.<act>(attempt):
            break
    else:
        log.warning("<thing1> waits after %d tries", attempt)
```

```python
<thing1>s = sorted(<act>_<thing1>s(), key=lambda <thing2>: <thing2>.<name>)
assert len(<thing1>s) <= <big>
```

```python
@dataclass
class Pending:
    <thing1>: <type>
    <name>: <type> = None
    <thing1>_at: float = 0.0
```

```ts
socket.on('<thing1>_<act>', ({ <thing1>, count }) => {
  setItems(prev => prev.map(i => i.id === <thing1>.id ? { ...i, count } : i))
})
```

```ts
export function <act>All(<thing1>s: Item[], size = <n>) {
  const seen = new Set<string>()
  return <thing1>s.filter(x => !seen.has(x.<thing2>) && seen.add(x.<thing2>)).slice(0, size)
}
```

```tsx
<Panel title={<thing1>.name} busy={state === '<act>'}>
  {<thing2>s.length > <n> ? <More /> : <Rows />}
</Panel>
```

```sql
SELECT <thing1>_id, count(*) AS total
FROM <thing2>s
JOIN <thing1>s USING (<thing1>_id)
WHERE <thing2>s.created_at > now() - interval '<n> hours'
GROUP BY 1 ORDER BY total DESC LIMIT <n>;
```

```sql
CREATE INDEX CONCURRENTLY <thing1>s_<thing2>_idx ON <thing1>s (<thing2>_id, updated_at DESC);
```

```sql
UPDATE <thing>s SET <thing1>_count = <thing1>_count + <n> WHERE <thing>_id = $1 RETURNING *;
```

```bash
docker compose logs -f <thing>-worker | grep -v <act>
curl -s localhost:<port>/<thing1>s/<big> | jq '.<thing1>'
```

```bash
git switch -c <act1>-<thing1>
pytest tests/test_<thing1>.py -k '<act1> and not <thing>' -x
```

```yaml
<thing1>:
  replicas: <n>
  limits: {cpu: <big>m, memory: <big>Mi}
  probe: /<thing1>s/health
```

```json
{"<thing>": {"<name>": <big>, "<thing>": "<act>", "enabled": true}, "<name>": [<n>, <n>, <big>]}
```

```text
<n>:<n> WARN <thing1>.<act> <error>
<n>:<n> INFO <thing1> <hex> took <measure>
```

```text
FAILED tests/test_<thing1>.py::test_<act>_<thing1> - <error>
<n> passed, 1 failed in <n>.<n>s
```

```diff
-    <thing1> = <act1>_<thing>(<n>)
+    <thing1> = <act1>_<thing>(<n>, <name>=<big>)
```
"""
)

ENGLISH = Language(
    statements=_lines(
        """
        <np> <does> <np>, <reason>.
        <opener> <np> <does> <np> <when>.
        we <may> <verb> <np>.
        <opener> <np> <does> <np>.
        we <may> <verb> <np> <when>, <reason>.
        <np> <is> <state>.
        <opener> I <past> <np>.
        I <past> <np> <when> and <np> <adv> <does> <np>.
        <opener> we <may> <verb> <np> <when>.
        <opener> I <past> <np> <when>, <reason>.
        <np> <is> <state> <when>, and <np> <is> <state>.
        <opener> <agent> <past> <np>; <np> <adv> <does> <np>.
        <np> <does> <np> <adv>, but <np> <does> <any> <when>.
        to <verb> <np>, <verb> <np> and <verb> <np> <when>.
        <opener> <np> <is> <state>: <np> <does> <np>, <np> <does> <np>.
        either <verb> <np> or <verb> <np>; both <may> <verb> <np>.
        <opener> when <np> <does> <any>, <np> <is> <state>.
        <np> <does> <np>, <reason>.
        I looked at <code> and <np> <is> <state>.
        we <may> <verb> <np> before we <verb> <np>.
        once <np> <is> <state>, <agent> <may> <verb> <np>.
        <code> <does> <np> <adv>.
        that takes about <measure>, most of it in <np>.
        <case>, so I <may> <verb> <np> first.
        <np> went from <measure> to <measure> after I <past> <np>.
        nothing else depends on <np>.
        there are <n> <nouns> left, and <n> of them are <state>.
        I <past> <np> in <code>; <np> stays as it is.
        if <np> <is> <state>, <verb> <np> <adv>.
        this is <adv> a matter of <np>, not of <np>.
        in short: <verb> <np>, then <verb> <np>.
        my first guess was <np>, but <code> shows that it is <state>.
        the log says <error>, <reason>.
        between <measure> and <measure> <np> <does> nothing at all.
        <agent> <past> <np> yesterday, so its <noun> may be <state>.
        <any> costs us <measure> each time someone has to <verb> it.
        we can keep <np> and still <verb> <np>.
        the two <nouns> disagree: one is <state>, the other <adv> is not.
        I have not touched <np>, <reason>.
        with <n> <nouns> in flight <np> falls behind by <measure>.
        the tests for <code> pass again, apart from <n> that need <any>.
        please <verb> <np> only when <user> has seen <np>.
        it would be <adj> to <verb> <np> for every <noun>.
        as far as I can tell, <np> <adv> <does> its own <noun>.
        let me <verb> <np> and come back with <any>.
        what we lose is <any>; what we win is <measure>.
        I set the limit to <big>, <reason>.
        <user> asked for <any> that we <may> <verb> without <any>.
        the change in <code> is small, yet every <noun> will notice it.
        note that <any> also <does> <np>.
        until then <code> remains <state>.
        the worst case is <measure>, which <np> <adv> allows.
        for now the <adj> way is to <verb> each <noun> by hand.
        no <noun> is <state> for longer than <measure>.
        here <np> and <np> share one <noun>, <reason>.
        the rest of <np> can wait until <np> <is> <state>.
        I would rather <verb> <any> than <verb> the whole <noun>.
        """
    ),
    questions=_lines(
        """
        can you <verb> <np> in <code>?
        <agent> why does <np> <adv> need <any>?
        how long would it take to <verb> <np>?
        is <np> <state>, or is it only <np>?
        <agent> please <verb> <np> and tell me what <np> looks like.
        did someone <verb> <np> since yesterday?
        what happens to <np> when we <verb> <any>?
        I get <error> when I <verb> <np>, any idea?
        should <agent> or <agent> <verb> this <noun>?
        could we live without <np>?
        who knows how <code> <does> <np>?
        do we still want <measure> as the limit for <any>?
        thanks, that <adv> helps!
        sounds <adj>, go ahead with <np>.
        <user> has <any> and sees <error>.
        """
    ),
    orders=_lines(
        """
        <verb> <np> and <verb> <np> in <code>.
        <verb> <np> so that <agent> <may> <verb> <np>.
        make sure <np> <is> <state> before <np> goes out.
        write a test that shows how <code> <does> <np>.
        <verb> <code> without a change to <np>.
        measure <np> under <n> <nouns> and keep it below <measure>.
        agree with <user> on <np>, then <verb> <np>.
        """
    ),
    items=_lines(
        """
        <verb> <np>
        <code> – <does> <np>
        <np> <is> <state> (<measure>)
        <verb> <code>, <reason>
        ask <user> about <np>
        **<noun>**: <adj>, <measure>
        <n> of <n> <nouns> are <state>
        no <noun> without <any>
        <agent> <may> <verb> <np> <adv>
        """
    ),
    headings=_lines(
        """
        what I found
        next steps
        <np>
        before we <verb> <np>
        open questions
        risks
        how to <verb> it
        summary for <user>
        <noun> and <noun>
        """
    ),
    words={
        "np": _lines(
            """
            the <noun>
            the <adj> <noun>
            the <noun>
            the <noun> <noun>
            our <noun>
            this <noun>
            its <adj> <noun>
            every <noun>
            <code>
            your <noun>
            the <noun> of the <noun>
            the <adj> <noun> in <code>
            that <adj> <noun>
            <user>'s <noun>
            the <adj>, <adj> <noun>
            each <noun> <noun>
            the <noun> for <user>
            my <noun>
            <brand>
            the <brand> <noun>
            the <nouns>
            pull request #<big>
            <brand>'s <adj> <noun>
            either <noun>
            the next <noun>
            the <noun> behind the <noun>
            what the <noun> <does>
            the last <n> <nouns>
            """
        ),
        "any": _lines(
            """
            another <noun>
            one <adj> <noun>
            some <noun>
            any <noun>
            no <noun>
            some <adj> <noun>
            one more <noun>
            <n> <nouns>
            half of the <nouns>
            hardly any <noun>
            """
        ),
        "is": _words("is seems was looks remains stays became"),
        "may": _lines(
            """
            should
            can
            could
            have to
            will
            might
            need to
            want to
            must
            may
            would rather
            try to
            """
        ),
        "opener": _lines(
            """
                so
                also,
                but
                in the meantime
                for <user>
                by the way,
                first,
                after that
                in <code>
                as of today
                apart from that,
                on <code>,
                worse,
                with luck
                in staging
                under load
                in the end
                likewise,
                """
        ),
        "when": _lines(
            """
                today
                for now
                in <code>
                before the <noun>
                within <measure>
                on Monday
                after the release
                in production
                for <user>
                with <n> workers
                next week
                per <noun>
                at night
                without <agent>
                once a day
                at <big> per minute
                since Friday
                """
        ),
        "noun": _words(
            """change request service database test answer query page deployment connection build release server
            message function endpoint response table migration handler error cache queue user interface log
            module model token layer schema job pipeline result component button branch container report ticket
            budget deadline draft parameter version package library dashboard alert index worker session form
            field screen timeout retry window script backup cluster proxy certificate password permission role
            document diagram example comment review merge conflict rollback feature flag experiment variant
            metric threshold histogram trace span exporter collector sample dataset column row key constraint
            transaction lock snapshot replica shard partition backlog estimate milestone roadmap customer
            invoice payment subscription account profile avatar notification subject template header footer
            sidebar menu tooltip modal layout theme icon font animation transition breakpoint viewport hook
            reducer selector store effect promise callback listener stream buffer chunk frame packet socket
            handshake heartbeat gateway router balancer firewall subnet volume image registry manifest secret
            variable runner artifact coverage assertion fixture mock stub benchmark profiler allocation leak
            thread coroutine scheduler mutex semaphore deadlock race invariant contract boundary adapter facade
            plugin dependency upgrade patch vulnerability audit incident postmortem runbook checklist handover
            glossary prompt embedding retriever ranking context summary transcript citation tool guardrail
            evaluation rubric hypothesis outlier baseline regression forecast notebook chart legend axis
            tolerance workaround shortcut assumption requirement scenario persona interview survey wireframe
            prototype mockup palette contrast hierarchy breadcrumb wizard onboarding newsletter campaign
            translation locale currency timezone calendar reminder digest export archive attachment thumbnail
            upload download quota bandwidth latency throughput idea reason question morning habit rumour
            compromise detail mistake surprise meeting colleague margin pattern metaphor routine detour puzzle
            argument sentence paragraph headline footnote spreadsheet inventory warehouse courier parcel voucher
            discount refund receipt signature passport driver engine sensor battery antenna satellite turbine
            greenhouse orchard harvest weather river bridge tunnel harbour ferry platform carriage
            timetable kitchen recipe ingredient oven clinic patient dosage diagnosis therapy laboratory specimen
            microscope formula equation theorem proof lemma corollary matrix polynomial derivative integral
            gradient kernel eigenvalue permutation lattice automaton grammar parser compiler linker assembler
            interpreter bytecode opcode register pointer heap stack garbage-collector allocator syscall
            interrupt firmware bootloader filesystem inode journal checksum parity sector cylinder
            tape cron-entry daemon tollgate keepalive backoff jitter circuit-breaker bulkhead
            rate-limiter watermark tombstone bloom-filter skip-list hash-ring consensus quorum leader follower
            epoch ballot gossip membership failover rebalance hotspot straggler outage pager escalation
            on-call-rota retrospective standup sprint epic story acceptance-test stakeholder sponsor vendor
            licence payroll ledger-entry audit-trail retention erasure consent cookie fingerprint
            referrer redirect canonical sitemap crawler carousel accordion ribbon toast skeleton
            spinner placeholder favicon"""
        ),
        "verb": _words(
            """check update fix test review move add remove rewrite split measure explain change deploy cache
            replace rename document simplify merge revert log profile mock refactor validate isolate postpone
            migrate monitor archive schedule compare repeat restart disable enable narrow widen inline extract
            batch throttle debounce compress sanitise escape encrypt rotate revoke restore rebuild pin upgrade
            downgrade vendor lint format annotate deprecate announce translate redesign align centre hide
            collapse expand highlight paginate sort filter group aggregate sample backfill deduplicate normalise
            partition index vacuum truncate seed stub freeze thaw unblock delegate escalate negotiate estimate
            prioritise outline sketch prototype publish tag bisect reproduce trace instrument calibrate
            benchmark tune preload prefetch stream buffer acknowledge retry cancel resume drain shed queue
            reconsider clarify question defend borrow lend swap juggle nudge trim stretch bend weld sand polish
            scrub rinse sweep pack unpack ship weigh label inspect audit certify license sponsor fund budget
            bill refund reimburse reconcile balance forecast interpolate extrapolate smooth denoise cluster
            classify embed rank rerank quote cite paraphrase proofread typeset print bind scan digitise
            transcribe dub subtitle stitch crop blur sharpen tint animate choreograph rehearse improvise
            harmonise compose score conduct"""
        ),
        "past": _words(
            """checked updated fixed tested reviewed moved removed rewrote split measured changed deployed
            replaced renamed simplified merged reverted profiled refactored validated isolated migrated
            restarted disabled enabled extracted throttled compressed encrypted rotated restored rebuilt pinned
            upgraded annotated deprecated translated redesigned collapsed sorted filtered aggregated backfilled
            deduplicated froze unblocked outlined published bisected reproduced traced instrumented calibrated
            tuned preloaded cancelled drained reconsidered postponed clarified trimmed inspected audited
            reconciled forecast smoothed clustered classified embedded ranked paraphrased proofread transcribed
            cropped sharpened rehearsed balanced"""
        ),
        "does": _words(
            """uses calls blocks returns updates needs replaces hides reads writes keeps breaks slows handles
            ignores locks repeats loses caches owns creates exposes validates wraps delays doubles skips
            duplicates overrides renders refreshes invalidates references triggers swallows shadows leaks polls
            throttles outlives contradicts measures assumes mirrors bypasses starves documents sorts truncates
            questions softens anticipates outgrows absorbs deflects amplifies dampens complements undermines
            precedes follows resembles outperforms undercuts encloses pierces borders feeds drains warms cools"""
        ),
        "adj": _words(
            """new old small slow current large simple whole second clean main missing public shared local stale
            remote broken useful internal safe empty early cheap long wrong temporary hidden noisy strict loose
            legacy modern idle busy nested flat raw cached signed optional required generic specific partial
            pending redundant orphaned ambiguous fragile robust opaque readable verbose terse lazy eager mutable
            frozen atomic distributed synchronous asynchronous incremental experimental stable flaky obsolete
            portable responsive accessible colourful monochrome adaptive elastic sparse dense weighted balanced
            skewed quarterly nightly weekly manual automatic preliminary final tentative generous narrow shallow
            deep rare curious stubborn elegant clumsy honest vague precise crooked smooth rough brittle supple
            hollow solid faint bright dim vivid pale quiet loud sudden steady hesitant bold timid clever naive
            prudent reckless frugal lavish punctual tardy rural urban coastal alpine tropical arctic lunar solar
            seasonal annual perpetual fleeting ancient recent upcoming provisional definitive contractual
            statutory half-finished hand-made third-party in-house cross-team single-use
            read-only write-heavy latency-bound memory-hungry"""
        ),
        "adv": _words(
            """always still only often already again directly really never twice quickly usually later now
            silently mostly rarely once separately slowly automatically carefully sometimes reliably eventually
            needlessly quietly partly clearly strictly overnight lazily atomically gradually locally everywhere
            upstream downstream explicitly implicitly temporarily permanently obviously surprisingly"""
        ),
        "state": _lines(
            """
            fine
            ready
            empty
            done
            too slow
            out of date
            still open
            under review
            not needed
            full
            blocked
            wrong by <n>
            twice as large
            only half tested
            in production
            behind a flag
            owned by <agent>
            missing
            locked
            larger than <measure>
            waiting for <user>
            due on Thursday
            stuck at <pct> %
            written but not merged
            the same everywhere
            safe to delete
            covered by <code>
            under <measure>
            unknown to <np>
            as fast as it gets
            """
        ),
        "reason": _lines(
            """
            because <code> <does> it
            since <np> <is> <state>
            which is what <user> asked for
            as <np> <adv> <does> it
            so <np> stays <adj>
            and that costs <measure>
            although <agent> would rather <verb> it
            because nobody had to <verb> it so far
            unless <np> is <adj>
            which explains the <error>
            even when <np> <is> <state>
            and <n> other <nouns> do the same
            as agreed with <user>
            because <any> is hard to <verb>
            which leaves <measure> for <np>
            until someone <may> <verb> <np>
            so that <any> <may> <verb> it <adv>
            while <np> catches up
            to be on the safe side
            and <np> <does> the rest
            """
        ),
        "case": _lines(
            """
            <np> <is> <state>
            <user> waits for <np>
            we have <measure> to spare
            <code> <is> <state>
            nobody <does> <np>
            <np> is gone
            <error> comes up <n> times a day
            it is <adj> anyway
            <np> <adv> <does> <np>
            <agent> already has <any>
            """
        ),
    },
)

# Russian nouns here are masculine and inanimate, and so alike as subject and object; the adjectives agree with them.
RUSSIAN = Language(
    statements=_lines(
        """
        <opener> нужно <verb> <np> <when>.
        <np> <state>, а <np> <state>.
        <opener> можно <verb> <np>, <reason>.
        <opener> <np> <state>.
        давай попробуем <verb> <np> <when>.
        либо <verb> <np>, либо <verb> <np>.
        <np> уже <state>, так что решил <verb> <np> <when>.
        <agent> обещал <verb> <np> <when>, <reason>.
        нужно <verb> <np>, <reason>.
        я посмотрел <code>: <np> <state>.
        сначала стоит <verb> <np>, а потом <verb> <np>.
        когда <np> <state>, <agent> сможет <verb> <np>.
        это занимает примерно <measure>, и дело не в том, что <np> <state>.
        <np> <state>, <reason>.
        удалось <verb> <np>: было <measure>, стало <measure>.
        в журнале видно <error>, <reason>.
        осталось <n> задач, из них <n> можно закрыть сегодня.
        предлагаю <verb> <np> и проверить <code> ещё раз.
        если <np> <state>, придётся <verb> <np>.
        тесты для <code> снова проходят, кроме одного: там нужен <np>.
        <user> просит <verb> <np> без спешки.
        по-моему, <np> здесь лишний.
        лимит пока <big>, <reason>.
        коротко: можно <verb> <np>, <reason>.
        в худшем случае <np> отстаёт на <measure>.
        я не трогал <np>, <reason>.
        остаётся решить, кто будет <verbs> <np>.
        изменение в <code> небольшое, но <np> его заметит.
        """
    ),
    questions=_lines(
        """
        можешь <verb> <np> в <code>?
        <agent> почему <np> <state>?
        сколько времени нужно, чтобы <verb> <np>?
        кто-нибудь пробовал <verb> <np> после вчерашнего релиза?
        <agent> пожалуйста, попробуй <verb> <np> и напиши, что вышло.
        у меня <error>, когда хочу <verb> <np>. Что это может быть?
        а <np> нам точно нужен?
        спасибо, так гораздо понятнее!
        """
    ),
    orders=_lines(
        """
        <verb> <np> и <verb> <np> в <code>.
        <verb> <np>, чтобы <agent> мог <verb> <np>.
        убедиться, что <np> <state>, прежде чем выйдет <np>.
        написать тест на <code>, <reason>.
        согласовать с командой <np> и уложиться в <measure>.
        """
    ),
    items=_lines(
        """
        <verb> <np>
        <code>: <np> <state>
        <np> – <measure>
        <verb> <np>, <reason>
        спросить <agent> про <np>
        """
    ),
    headings=_lines(
        """
        что я нашёл
        следующие шаги
        открытые вопросы
        <np>
        риски
        """
    ),
    words={
        "np": _lines(
            """
            <noun>
            <adj> <noun>
            наш <noun>
            этот <noun>
            <adj> <noun>
            весь <noun>
            <code>
            каждый <adj> <noun>
            <adj> <noun> из <code>
            ваш <noun>
            <brand>
            <noun> для <brand>
            <adj> и <adj> <noun>
            следующий <noun>
            тот самый <noun>
            запрос #<big>
            ещё один <noun>
            прошлый <noun> от <user>
            """
        ),
        "opener": _lines(
            """
            пока
            по-моему,
            кстати,
            в итоге
            сейчас
            на стенде
            если коротко,
            после релиза
            для <brand>
            во вторник
            под нагрузкой
            сверх того,
            к счастью,
            видимо,
            """
        ),
        "when": _lines(
            """
            сегодня
            до пятницы
            без спешки
            за <measure>
            ещё раз
            в <code>
            вместе с <agent>
            на стенде
            к концу недели
            до <big> в минуту
            перед релизом
            по просьбе <brand>
            с утра
            """
        ),
        "noun": _words(
            """запрос сервис ответ тест код модуль сервер журнал отчёт релиз план экран список индекс кэш поток
            ключ документ файл параметр шаблон пакет канал буфер интерфейс компонент обработчик пример черновик
            комментарий график показатель порог лимит контракт договор счёт платёж профиль фильтр маркер снимок
            откат конфликт прототип макет заголовок виджет шрифт сценарий сертификат пароль доступ токен
            контейнер образ кластер узел балансировщик шлюз адрес домен маршрут протокол кадр замер выигрыш
            бюджет срок этап отзыв вывод датасет столбец эксперимент вариант перевод календарь архив экспорт
            дайджест регламент разбор вопрос смысл рисунок абзац словарь рынок склад заказ курьер возврат чек
            паспорт двигатель датчик аккумулятор мост туннель урожай рецепт диагноз образец микроскоп интеграл
            многочлен граф автомат компилятор регистр стек прерыватель загрузчик каталог сектор
            демон таймаут джиттер кворум лидер выпуск спринт инцидент спонсор аудит налог остаток перекос тренд
            сезон прогноз отклик вектор абонемент конверт чертёж эскиз макрос плагин мьютекс"""
        ),
        "verb": _words(
            """проверить исправить обновить переписать добавить убрать измерить описать перенести упростить
            заменить разделить ускорить отключить включить закрыть открыть восстановить откатить собрать
            развернуть отладить сравнить согласовать отложить зафиксировать пересчитать сжать расширить
            ограничить переименовать изолировать повторить ужесточить ослабить опубликовать перевести выровнять
            скрыть сгруппировать отсортировать воспроизвести откалибровать закэшировать дополнить уточнить
            обсудить проредить взвесить одолжить смягчить отполировать округлить сгладить предсказать
            процитировать озвучить оцифровать напечатать застраховать оплатить списать начислить перемешать
            разметить подписать распаковать отсечь прогреть остудить подменить перевыпустить пересобрать
            отменить подтвердить"""
        ),
        "verbs": _words("""проверять обновлять чинить переписывать измерять описывать поддерживать переносить"""),
        "adj": _words(
            """новый старый общий медленный текущий большой простой второй главный внешний внутренний лишний
            пустой ранний локальный удалённый устаревший публичный временный скрытый строгий гибкий частичный
            полный ночной недельный итоговый предварительный хрупкий надёжный редкий длинный короткий ручной
            автоматический вложенный плоский сырой подписанный обязательный отдельный узкий любопытный упрямый
            изящный точный кривой гладкий грубый твёрдый бледный тихий громкий внезапный смелый бережный
            сезонный годовой древний недавний условный договорной ленивый щедрый городской горный солнечный
            полярный"""
        ),
        "state": _lines(
            """
            готов
            уже работает
            пока не нужен
            слишком медленный
            почти пуст
            ждёт проверки
            заблокирован
            вырос до <measure>
            устарел
            покрыт тестами
            меньше, чем <measure>
            не обновлялся <n> дней
            совпадает везде
            лежит в <code>
            застрял на <pct> %
            """
        ),
        "reason": _lines(
            """
            потому что <np> <state>
            так как <code> его не видит
            иначе <np> сломается
            хотя <agent> предлагает <verb> <np>
            и это стоит <measure>
            как договорились вчера
            пока никто не решил <verb> <np>
            чтобы не терять <np>
            поскольку осталось <measure>
            а дальше посмотрим
            """
        ),
    },
)

CHINESE = Language(
    statements=_lines(
        """
        <opener><np><state>，<np><state>。
        <opener>可以<verb><np>，<reason>。
        要么<verb><np>，要么<verb><np>。
        <opener><agent>会<verb><np>。
        <np><state>，所以我<verb>了<np>。
        <opener>先别<verb><np>。
        我们应该先<verb><np>，再<verb><np>。
        我看了<code>，发现<np><state>。
        <np><state>，<reason>。
        等<np><state>之后，<agent>就可以<verb><np>了。
        这大约需要<measure>，主要花在<np>上。
        <verb><np>以后，从<measure>降到了<measure>。
        日志里有<error>，<reason>。
        还剩<n>个<np>，其中<n>个<state>。
        如果<np><state>，就要重新<verb><np>。
        <code>的测试又通过了，只有<n>个还需要<np>。
        <user>希望我们<verb><np>，但不要影响<np>。
        简单来说：<verb><np>，<reason>。
        上限暂时设为<big>，<reason>。
        最坏的情况是<measure>，<np>还能接受。
        我没有动<np>，<reason>。
        这个改动很小，不过每个<np>都会用到它。
        目前最稳妥的办法是手动<verb><np>。
        """
    ),
    questions=_lines(
        """
        能不能<verb>一下<code>里的<np>？
        <agent>为什么<np><state>？
        <verb><np>要多长时间？
        昨天以后有人<verb>过<np>吗？
        <agent>请<verb><np>，然后告诉我结果。
        我<verb><np>的时候看到<error>，是什么原因？
        我们真的需要<np>吗？
        谢谢，这样清楚多了！
        """
    ),
    orders=_lines(
        """
        <verb><np>，并<verb><code>里的<np>。
        <verb><np>，让<agent>可以<verb><np>。
        发布<np>之前，确认<np><state>。
        为<code>写测试，<reason>。
        和<user>商定<np>，控制在<measure>以内。
        """
    ),
    items=_lines(
        """
        <verb><np>
        <code>：<np><state>
        <np>：<measure>
        <verb><np>，<reason>
        向<user>确认<np>
        """
    ),
    headings=_lines(
        """
        我的发现
        下一步
        待定问题
        <np>
        风险
        """
    ),
    words={
        "np": _lines(
            """
            <noun>
            <adj><noun>
            这个<noun>
            我们的<noun>
            <noun>的<noun>
            <code>
            每个<noun>
            <brand>的<noun>
            下一个<noun>
            那个<adj><noun>
            <brand>
            <n>个<noun>
            """
        ),
        "opener": _lines(
            """
            目前
            其实
            另外，
            今天
            在<code>里，
            下周
            按照<user>的意见，
            幸好
            发布之前
            为了<brand>，
            """
        ),
        "noun": _words(
            """请求 服务 数据库 测试 接口 页面 缓存 队列 用户 日志 模块 模型 令牌 版本 报告 任务 结果 组件 分支
            容器 索引 会话 表单 字段 超时 脚本 备份 集群 代理 证书 密码 权限 角色 文档 示例 评论 冲突 功能 开关
            实验 指标 阈值 样本 事务 快照 副本 分区 预算 里程碑 客户 账单 订阅 头像 通知 模板 侧边栏 菜单 布局
            主题 图标 动画 监听器 数据流 缓冲区 套接字 心跳 网关 路由 负载均衡 防火墙 镜像 变量 覆盖率 基准 线程
            协程 调度器 契约 边界 插件 依赖 补丁 漏洞 审计 事故 清单 提示词 向量 检索 排序 上下文 摘要 引用 评估
            基线 预测 图表 假设 需求 原型 翻译 时区 日历 附件 配额 带宽 延迟 吞吐量 问题 想法 原因 习惯 细节
            错误 会议 同事 规律 比喻 捷径 论点 段落 标题 脚注 表格 库存 仓库 快递 优惠券 退款 收据 签名 护照
            发动机 传感器 电池 天线 卫星 温室 收成 天气 桥梁 隧道 渡轮 厨房 食谱 诊断 实验室 公式 定理 矩阵 导数
            积分 编译器 解释器 寄存器 指针 内存 中断 固件 校验和 守护进程 抖动 熔断器 水位线 哈希环 共识 选举
            成员 热点 值班 复盘 冲刺 供应商 许可证"""
        ),
        "verb": _words(
            """检查 更新 修复 测试 移动 增加 删除 重写 拆分 测量 说明 部署 替换 重命名 简化 合并 回滚 重构 验证
            隔离 推迟 迁移 监控 归档 比较 重启 停用 启用 提取 限流 压缩 加密 恢复 重建 升级 标注 发布 复现 追踪
            校准 调优 预加载 取消 排序 过滤 汇总 澄清 讨论 修剪 打磨 称重 检验 审计 资助 对账 平滑 聚类 分类
            引用 校对 打印 扫描 裁剪 预热 冷却 确认 撤销 交换 借用"""
        ),
        "adj": _words(
            """新的 旧的 共享的 当前的 缓慢的 主要的 简单的 本地的 远程的 多余的 临时的 公开的 内部的 完整的
            部分的 过期的 严格的 灵活的 可选的 稳定的 脆弱的 嵌套的 自动的 手动的 每周的 隐藏的 较大的 较小的
            有趣的 固执的 优雅的 精确的 粗糙的 光滑的 脆的 明亮的 安静的 突然的 大胆的 节约的 季节性的 年度的
            古老的 最近的"""
        ),
        "state": _lines(
            """
            已经完成
            还没准备好
            太慢了
            不再需要
            正在审核
            被锁住了
            是空的
            已经过期
            超过了<measure>
            卡在<pct>%
            由<agent>负责
            全部通过
            和预期一致
            """
        ),
        "reason": _lines(
            """
            因为<np><state>
            所以<np>保持不变
            否则<np>会出错
            虽然<agent>更想<verb><np>
            这样可以省下<measure>
            这是<user>提出的
            除非<np><state>
            因为<code>还在使用它
            以后再说
            """
        ),
    },
    space="",
    density=0.4,
)

LANGUAGES: Mapping[str, Language] = {"en": ENGLISH, "ru": RUSSIAN, "zh": CHINESE}
