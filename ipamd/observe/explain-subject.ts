/** `/v1/explain?subject=...`: finds out what a name means on this node and explains it. */
import { isIP } from 'node:net';
import { onCard, targetsOn } from '#warm-pool/ledger.ts';
import type { Explanation, WarmTargets } from '#warm-pool/model.ts';
import type { CallReport } from '../cloud-stack.ts';
import type { Pool } from '../pool.ts';
import { counted } from './explain-action.ts';
import { type InterfaceOutlook, outlookOf } from './explain-interface.ts';
import { nearest } from './explain-nearest.ts';
import { type AddressAnswer, explainAddress, explainPod, type PodAnswer } from './explain-pod.ts';
import { QuestionRefused } from './explain-refused.ts';
import { interfaceRows, type InterfaceRow, type PodRow, podRows, type RowSource } from './explain-rows.ts';
import { type SubnetAnswer, subnetFix, subnetReasons, subnetSentences, subnetsOf } from './explain-subnet.ts';
import { explainWaiting, type WaitingAnswer } from './explain-waiting.ts';

export interface SubjectSource extends RowSource {
  readonly pool: Pick<Pool, 'ledger' | 'snapshot' | 'circumstances' | 'waiting' | 'requests' | 'lastCloudError'>;
  readonly targets: WarmTargets;
  readonly calls?: () => Pick<CallReport, 'recent'>;
  readonly now: () => number;
}

export type Explained =
  | PodAnswer
  | AddressAnswer
  | ({ readonly kind: 'eni' } & InterfaceRow & InterfaceOutlook)
  | WaitingAnswer
  | ({
      readonly kind: 'subnet';
      readonly reasons: readonly Explanation[];
      readonly sentences: readonly string[];
      readonly fix: string;
    } & SubnetAnswer);

export interface ExplainAnswer {
  readonly subject: string;
  /** Several where pods of one name are in several namespaces, or a pod has several attachments. */
  readonly matches: readonly Explained[];
}

/**
 * A pod (`namespace/name`, `name`, container id or host link), an ENI, a subnet or an address. Throws QuestionRefused
 * with the nearest names where nothing of this node is called so.
 */
export function explainSubject(subject: string, source: SubjectSource): ExplainAnswer {
  if (subject === '') {
    const why = 'the subject is empty.';
    throw new QuestionRefused(400, {
      what: 'there is nothing to explain',
      why,
      fix: 'Name a pod, an ENI, a subnet or an address.',
    });
  }
  const now = source.now();
  if (isIP(subject) !== 0) return { subject, matches: [explainAddress(subject, source, now)] };
  const pods = podRows(source);
  const matches = [
    ...pods.filter((row) => namesOf(row).includes(subject)).map((row) => explainPod(row, source, now)),
    ...waitingMatches(subject, source, now),
    ...interfaceMatches(subject, source, now),
    ...subnetMatches(subject, source, now),
  ];
  if (matches.length === 0) throw unknown(subject, pods, source, now);
  return { subject, matches };
}

function namesOf({ namespace, name, containerId, hostIfName }: PodRow): readonly string[] {
  return [`${namespace}/${name}`, name, containerId, hostIfName];
}

/** One that waits, or else its last try that failed since it had no address. */
function waitingMatches(subject: string, source: SubjectSource, now: number): readonly Explained[] {
  const { requests } = source.pool;
  const named = requests.filter(({ pod: { namespace, name }, attachment: { containerId } }) =>
    [`${namespace}/${name}`, name, containerId].includes(subject),
  );
  const current = named.filter(({ gaveUpAt }) => gaveUpAt === undefined);
  const attached = podRows(source).filter((row) => namesOf(row).includes(subject));
  const lastFailure = attached.length === 0 && current.length === 0 ? named.slice(-1) : [];
  return [...current, ...lastFailure].map((one) => explainWaiting(one, requests.indexOf(one) + 1, source, now));
}

function interfaceMatches(subject: string, source: SubjectSource, now: number): readonly Explained[] {
  const snapshot = source.pool.snapshot();
  const use = snapshot.interfaces.find(({ networkInterface: { id, mac } }) => id === subject || mac === subject);
  const row = interfaceRows(source).find(({ id }) => id === use?.networkInterface.id);
  if (use === undefined || row === undefined) return [];
  const { networkCardIndex } = use.networkInterface;
  const { waitingOn } = source.pool.circumstances(now);
  const ofCard = onCard(snapshot, source.pool.ledger, networkCardIndex, waitingOn?.get(networkCardIndex) ?? 0);
  return [{ kind: 'eni', ...row, ...outlookOf(use, ofCard, targetsOn(source.targets, networkCardIndex), now) }];
}

function subnetMatches(subject: string, { pool }: SubjectSource, now: number): readonly Explained[] {
  return subnetsOf(pool, now)
    .filter(({ id, cidr }) => id === subject || cidr === subject)
    .map((subnet) => ({
      kind: 'subnet',
      ...subnet,
      reasons: subnetReasons(subnet),
      sentences: subnetSentences(subnet, pool.lastCloudError),
      fix: subnetFix(subnet),
    }));
}

function unknown(subject: string, pods: readonly PodRow[], source: SubjectSource, now: number): QuestionRefused {
  const interfaces = interfaceRows(source).map(({ id }) => id);
  const subnets = subnetsOf(source.pool, now).map(({ id }) => id);
  const candidates = nearest(subject, [
    ...pods.map(({ namespace, name }) => `${namespace}/${name}`),
    ...source.pool.requests.map(({ pod: { namespace, name } }) => `${namespace}/${name}`),
    ...interfaces,
    ...subnets,
  ]);
  const { waiting } = source.pool;
  const why = [
    `it has ${counted(pods.length, 'pod')}, ${counted(interfaces.length, 'ENI')} and ${counted(subnets.length, 'subnet')}, none of that name`,
    ...(waiting > 0
      ? [
          `${counted(waiting, 'pod')} without an address ${waiting === 1 ? 'waits' : 'wait'} for one (see \`wellspringctl plan\`)`,
        ]
      : []),
  ].join('; ');
  const fix =
    candidates.length === 0
      ? 'See `wellspringctl pods`, `enis` and `subnets`.'
      : `Nearest names: ${candidates.join(', ')}.`;
  return new QuestionRefused(
    404,
    { what: `this node knows nothing called ${JSON.stringify(subject)}`, why: `${why}.`, fix },
    { subject, candidates },
  );
}
