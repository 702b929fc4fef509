/** The commands: what each asks, what it shows, and its help. */
import type { CallRecord } from '#cloud/decorate/call-ledger.ts';
import type { PlanAnswer } from '../observe/explain-plan.ts';
import type { InterfaceRow, PodRow } from '../observe/explain-rows.ts';
import type { ExplainAnswer } from '../observe/explain-subject.ts';
import type { SubnetAnswer } from '../observe/explain-subnet.ts';
import type { StatusAnswer } from '../observe/introspection.ts';
import { showExplanation } from './show-explain.ts';
import { showPlan } from './show-plan.ts';
import { showCalls, showInterfaces, showPods, showSubnets } from './show-rows.ts';
import { showStatus } from './show-status.ts';

export interface Command {
  readonly name: string;
  /** What follows the name on the command line. */
  readonly synopsis: string;
  readonly summary: string;
  readonly help: string;
  /** The name of its one argument. */
  readonly argument?: string;
  readonly takesSettings?: boolean;
  readonly path: (question: Question) => string;
  /** The answer for people; `now` is the time of asking. */
  readonly show: (answer: unknown, now: number) => string;
}

export interface Question {
  readonly argument: string;
  /** `KEY=VALUE` each. */
  readonly settings: readonly string[];
}

/** The daemon is of the same version, so its answers have the types it declares. */
const as =
  <T>(show: (answer: T, now: number) => string) =>
  (answer: unknown, now: number): string =>
    show(answer as T, now);

export const COMMANDS: readonly Command[] = [
  {
    name: 'status',
    synopsis: '',
    summary: 'the node and its pool in figures',
    help: 'Who the node is, how its addresses are used, who waits, and whether EC2 held it back.',
    path: () => '/v1/status',
    show: as<StatusAnswer>(showStatus),
  },
  {
    name: 'pods',
    synopsis: '',
    summary: 'every pod with an address: pod, address, ENI, route table, host link',
    help: 'One line for each attachment that holds an address.',
    path: () => '/v1/pods',
    show: as<readonly PodRow[]>(showPods),
  },
  {
    name: 'enis',
    synopsis: '',
    summary: 'every network interface and how its addresses are used',
    help: 'One line for each ENI of the instance, unmanaged ones included. ADDRESSES is assigned + cooling + free.',
    path: () => '/v1/enis',
    show: as<readonly InterfaceRow[]>(showInterfaces),
  },
  {
    name: 'subnets',
    synopsis: '',
    summary: 'every subnet of this node: free addresses, back-offs',
    help: 'AVAILABLE is what EC2 said when the subnet was last described. A subnet that refused is left alone until its back-off ends.',
    path: () => '/v1/subnets',
    show: as<readonly SubnetAnswer[]>(showSubnets),
  },
  {
    name: 'plan',
    synopsis: '[--set KEY=VALUE]...',
    summary: 'what the planner would do now, what it cannot, and why',
    help: [
      'Without --set: what would be done in the cloud at this moment, what cannot be done, and when time alone changes it.',
      'With --set: what would be done if ipamd ran with these settings, thought through until nothing is left to do, with the',
      'pool before and after and the EC2 calls it takes. Nothing is changed; EC2 is taken to grant all that is asked.',
      'Keys: WARM_ENI_TARGET, WARM_IP_TARGET, MINIMUM_IP_TARGET, WARM_PREFIX_TARGET, MAX_ENI, WELLSPRING_MAX_PODS,',
      'ENABLE_PREFIX_DELEGATION, IP_COOLDOWN_PERIOD, WELLSPRING_ENI_MINIMUM_AGE. KEY= stands for "not set".',
    ].join('\n'),
    takesSettings: true,
    path: ({ settings }) => {
      const query = new URLSearchParams(settings.map((setting) => ['set', setting])).toString();
      return query === '' ? '/v1/plan' : `/v1/plan?${query}`;
    },
    show: as<PlanAnswer>(showPlan),
  },
  {
    name: 'explain',
    synopsis: 'SUBJECT',
    summary: 'what a pod, ENI, subnet or address is, where it comes from and why',
    help: 'SUBJECT is a pod (namespace/name, name, container id or host link), an ENI id, a subnet id or an address.',
    argument: 'SUBJECT',
    path: ({ argument }) => `/v1/explain?${new URLSearchParams({ subject: argument }).toString()}`,
    show: as<ExplainAnswer>(showExplanation),
  },
  {
    name: 'calls',
    synopsis: '',
    summary: 'recent EC2 calls with their causes',
    help: 'The last calls, oldest first. CAUSE is the reason code of the plan, or the step of the start, that made the call.',
    path: () => '/v1/calls',
    show: as<readonly CallRecord[]>(showCalls),
  },
];
