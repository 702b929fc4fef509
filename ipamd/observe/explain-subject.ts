/** `/v1/explain?subject=...`: finds out what a name means on this node and explains it. */
import { isIP } from 'node:net';
import type { WarmTargets } from '#warm-pool/model.ts';
import type { Pool } from '../pool.ts';
import { counted } from './explain-action.ts';
import { type InterfaceOutlook, outlookOf } from './explain-interface.ts';
import { nearest } from './explain-nearest.ts';
import { type AddressAnswer, explainAddress, explainPod, type PodAnswer } from './explain-pod.ts';
import { QuestionRefused } from './explain-refused.ts';
import { interfaceRows, type InterfaceRow, type PodRow, podRows, type RowSource } from './explain-rows.ts';
import { type SubnetAnswer, subnetSentences, subnetsOf } from './explain-subnet.ts';

export interface SubjectSource extends RowSource {
  readonly pool: Pick<Pool, 'ledger' | 'snapshot' | 'waiting' | 'lastCloudError'>;
  readonly targets: WarmTargets;
  readonly now: () => number;
}

export type Explained =
  | PodAnswer
  | AddressAnswer
  | ({ readonly kind: 'eni' } & InterfaceRow & InterfaceOutlook)
  | ({ readonly kind: 'subnet'; readonly sentences: readonly string[] } & SubnetAnswer);

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
    ...interfaceMatches(subject, source, now),
    ...subnetMatches(subject, source, now),
  ];
  if (matches.length === 0) throw unknown(subject, pods, source, now);
  return { subject, matches };
}

function namesOf({ namespace, name, containerId, hostIfName }: PodRow): readonly string[] {
  return [`${namespace}/${name}`, name, containerId, hostIfName];
}

function interfaceMatches(subject: string, source: SubjectSource, now: number): readonly Explained[] {
  const snapshot = source.pool.snapshot();
  const use = snapshot.interfaces.find(({ networkInterface: { id, mac } }) => id === subject || mac === subject);
  const row = interfaceRows(source).find(({ id }) => id === use?.networkInterface.id);
  if (use === undefined || row === undefined) return [];
  return [{ kind: 'eni', ...row, ...outlookOf(use, snapshot, source.targets, now) }];
}

function subnetMatches(subject: string, { pool }: SubjectSource, now: number): readonly Explained[] {
  return subnetsOf(pool, now)
    .filter(({ id, cidr }) => id === subject || cidr === subject)
    .map((subnet) => ({ kind: 'subnet', ...subnet, sentences: subnetSentences(subnet, pool.lastCloudError) }));
}

function unknown(subject: string, pods: readonly PodRow[], source: SubjectSource, now: number): QuestionRefused {
  const interfaces = interfaceRows(source).map(({ id }) => id);
  const subnets = subnetsOf(source.pool, now).map(({ id }) => id);
  const candidates = nearest(subject, [
    ...pods.map(({ namespace, name }) => `${namespace}/${name}`),
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
