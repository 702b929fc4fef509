/** What to paste, and what it changes for the nodes. Pure. */
import { labelOf, POOL_KEYS, settingsOf } from '#warm-pool/recommend/candidate.ts';
import { HOST_NETWORK_PODS } from '#warm-pool/max-pods.ts';
import { yaml } from '../yaml.ts';
import { figuresOf } from './figures.ts';
import type { GroupFinding, Tried } from './find.ts';
import { boundsOf, groupOf, type Subject } from './groups.ts';

export interface GroupSettings {
  readonly group: string;
  readonly instanceType: string;
  readonly set: Readonly<Record<string, string>>;
  /** Settings of the pool that must not be set beside these. */
  readonly unset: readonly string[];
}

export function envOf({ group, chosen }: GroupFinding): GroupSettings {
  const { instanceType, rule } = chosen.candidate;
  const set = settingsOf(rule);
  return { group, instanceType, set, unset: POOL_KEYS.filter((key) => !Object.hasOwn(set, key)) };
}

/** Values of the chart: one document where all groups are to have the same, else one for a release of each group. */
export function valuesOf(findings: readonly GroupFinding[]): string {
  const [first, ...rest] = findings.map((finding) => ({ group: finding.group, env: envOf(finding).set }));
  if (first === undefined) return '';
  const text = (env: GroupSettings['set']): string => yaml({ env });
  if (rest.every(({ env }) => text(env) === text(first.env))) return text(first.env);
  return [first, ...rest]
    .map(({ group, env }) => `# a release for the nodes of ${group}: add their label as nodeSelector\n${text(env)}`)
    .join('---\n');
}

export interface GroupChanges {
  readonly group: string;
  readonly instanceType: { readonly before: string; readonly after: string };
  readonly settings: { readonly before: string; readonly after: string };
  /** What kubelet should admit at most. */
  readonly maxPods: { readonly before: number; readonly after: number };
  readonly sentences: readonly string[];
}

export function changesOf({ group, current, chosen }: GroupFinding, subject: Subject): GroupChanges {
  const [before, after] = [current.candidate, chosen.candidate];
  const maxPods = { before: maxPodsAt(subject, group, current), after: maxPodsAt(subject, group, chosen) };
  const settings = { before: labelOf(before.rule), after: labelOf(after.rule) };
  const instanceType = { before: before.instanceType, after: after.instanceType };
  const sentences =
    chosen === current
      ? ['Nothing changes.']
      : [
          ...typeSentence(current, chosen),
          'ipamd is restarted on node after node with the new settings; pods keep their addresses and their network.',
          holdingSentence(current, chosen),
          ...modeSentence(before.rule.mode, after.rule.mode),
          ...(maxPods.before === maxPods.after
            ? []
            : [
                `kubelet's --max-pods may be ${maxPods.after} instead of ${maxPods.before}; new nodes need it before they join (wellspringctl max-pods).`,
              ]),
        ];
  return { group, instanceType, settings, maxPods, sentences };
}

function maxPodsAt(subject: Subject, name: string, { candidate }: Tried): number {
  const group = groupOf(subject.cluster, name);
  if (group === undefined) return 0;
  const { podCapacity } = boundsOf(group, candidate.instanceType);
  return (podCapacity[candidate.rule.mode] ?? 0) + HOST_NETWORK_PODS;
}

function typeSentence(current: Tried, chosen: Tried): readonly string[] {
  const [before, after] = [current.candidate.instanceType, chosen.candidate.instanceType];
  if (before === after) return [];
  return [
    `The nodes become ${after} instead of ${before}, with no fewer vCPUs in all: the cluster has ${nodesOf(chosen)} nodes instead of ${nodesOf(current)}. It takes a new node group.`,
  ];
}

function nodesOf({ outcomes }: Tried): number {
  return outcomes[0]?.nodes ?? 0;
}

function holdingSentence(current: Tried, chosen: Tried): string {
  const [before, after] = [current, chosen].map(({ outcomes }) => {
    const { addresses, interfaces, nodes } = figuresOf(outcomes);
    return `${(addresses / nodes).toFixed(1)} addresses on ${(interfaces / nodes).toFixed(1)} ENIs`;
  });
  return `A node of the cluster holds ${after} in the mean, instead of ${before}.`;
}

function modeSentence(before: string, after: string): readonly string[] {
  if (before === after) return [];
  return after === 'prefix'
    ? [
        'Nodes take /28 prefixes from now on, and give single addresses back when their pods are gone; the subnets must have whole /28 blocks.',
      ]
    : ['Nodes take single addresses from now on, and give /28 prefixes back when the last pod of each is gone.'];
}
