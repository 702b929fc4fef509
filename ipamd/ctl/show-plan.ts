/** `plan`: what would be done, what cannot be, where it leads. */
import { counted, type ExplainedAction } from '../observe/explain-action.ts';
import type { ExplainedRefusal, PlanAnswer, PoolFigures } from '../observe/explain-plan.ts';
import { aligned } from './table.ts';
import { relative, withRelativeTimes } from './words.ts';

/** Sections with a blank line between them; those without content are left out. */
export function showPlan(plan: PlanAnswer, now: number): string {
  const isForecast = Object.keys(plan.settings).length > 0;
  const sections = [
    isForecast ? settings(plan) : '',
    list('Under way', plan.inFlight.map(actionText), now),
    ...(isForecast ? steps(plan, now) : [atOnce(plan, now)]),
    list(
      'Cannot be done, or not yet',
      refusals(plan, isForecast).map((refusal) => refusalText(refusal, now)),
      now,
    ),
    plan.lastRefusal === null ? '' : `EC2's last refusal: ${plan.lastRefusal}\n`,
    isForecast ? outcome(plan, now) : changes(plan, now),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

function settings({ settings: changed }: PlanAnswer): string {
  const rows = Object.entries(changed).map(([key, value]) => [`  ${key}`, say(value.after), `(now ${say(value.now)})`]);
  return `With these settings\n${aligned(rows)}`;
}

function say(value: number | boolean | null): string {
  return value === null ? 'not set' : String(value);
}

function atOnce({ actions, inFlight }: PlanAnswer, now: number): string {
  if (actions.length > 0) return list('To be done now', actions.map(actionText), now);
  return inFlight.length > 0 ? 'Nothing else is to be done now.\n' : 'Nothing is to be done now.\n';
}

function steps({ steps: all }: PlanAnswer, now: number): readonly string[] {
  if (all.length === 0) return ['Nothing is to be done.\n'];
  return all.map(({ at, actions }, index) => {
    const before = all[index - 1]?.at;
    return list(before === at ? 'Then' : moment(at, now), actions.map(actionText), now);
  });
}

function moment(at: string, now: number): string {
  return Date.parse(at) <= now + 500 ? 'At once' : relative(at, now).replace('in ', 'In ');
}

function changes({ wakeAt }: PlanAnswer, now: number): string {
  if (wakeAt === null) return 'Time alone changes nothing.\n';
  return `Time alone changes this ${relative(wakeAt, now)}: a cool-down, a back-off or an ENI's minimum age ends then.\n`;
}

/** Those of now and, under other settings, those that stay; each sentence once. */
function refusals({ refusals: first, after }: PlanAnswer, isForecast: boolean): readonly ExplainedRefusal[] {
  const all = isForecast ? [...first, ...after.refusals] : first;
  return all.filter((one, index) => all.findIndex(({ sentence }) => sentence === one.sentence) === index);
}

function refusalText({ sentence, retryAt, why }: ExplainedRefusal, now: number): readonly string[] {
  if (typeof retryAt !== 'number') return [sentence, `(${why.reason})`];
  return [sentence, `(${why.reason}; looked at again ${relative(new Date(retryAt).toISOString(), now)})`];
}

function actionText({ does, sentence, calls, why }: ExplainedAction): readonly string[] {
  return [`${does}: ${counted(calls.length, 'call')} (${calls.join(', ')})`, `${sentence} (${why.reason})`];
}

function list(title: string, items: readonly (readonly string[])[], now: number): string {
  if (items.length === 0) return '';
  const lines = items.flatMap(([first = '', ...more]) => [`  - ${first}`, ...more.map((line) => `    ${line}`)]);
  return `${title}\n${lines.map((line) => `${withRelativeTimes(line, now)}\n`).join('')}`;
}

function outcome({ now: before, after, calls }: PlanAnswer, now: number): string {
  const rows: readonly (readonly [string, (figures: PoolFigures) => string | number])[] = [
    ['mode', ({ mode }) => (mode === 'prefix' ? '/28 prefixes' : 'addresses')],
    ['ENIs', ({ interfaces, maxInterfaces }) => `${interfaces} of ${maxInterfaces}`],
    ['addresses', ({ addresses }) => addresses],
    ['/28 prefixes', ({ prefixes }) => prefixes],
    ['assigned', ({ assigned }) => assigned],
    ['cooling', ({ cooling }) => cooling],
    ['free', ({ free }) => free],
    ['pods waiting', ({ waiting }) => waiting],
    ['max pods', ({ maxPods }) => (maxPods === Number.MAX_SAFE_INTEGER ? 'no bound' : maxPods)],
    ['cool-down', ({ coolDownSeconds }) => `${coolDownSeconds} s`],
  ];
  const names = Object.entries(calls);
  const sum = names.reduce((so, [, count]) => so + count, 0);
  const each = names.map(([name, count]) => `${name} ${count}`).join(', ');
  const total = sum === 0 ? 'No EC2 call' : `${counted(sum, 'EC2 call')}: ${each}`;
  const reached = Date.parse(after.at) <= now + 500 ? 'then' : relative(after.at, now);
  const end = after.settled ? `Nothing is left to do ${reached}.` : `No end is in sight ${reached}.`;
  return `${aligned([
    ['', 'now', 'then'],
    ...rows.map(([name, cell]) => [name, String(cell(before)), String(cell(after))]),
  ])}\n${total}. ${end}\n`;
}
