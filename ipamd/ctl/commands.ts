/** The commands: what each asks, what it shows, and its help. */
import type { PlanAnswer } from '../observe/explain-plan.ts';
import type { InterfacesByCard, PodRow } from '../observe/explain-rows.ts';
import type { ExplainAnswer } from '../observe/explain-subject.ts';
import type { MaxPodsAnswer } from '../observe/explain-max-pods.ts';
import type { SubnetAnswer } from '../observe/explain-subnet.ts';
import type { CallsAnswer, StatusAnswer } from '../observe/introspection.ts';
import type { CleanUp } from '../datapath/clean-up.ts';
import { record } from './record.ts';
import { recommend } from './recommend/command.ts';
import { FORECAST_COMMAND } from './forecast/command.ts';
import { simulate } from './simulate/command.ts';
import { runCleanUp, showCleanUp } from './clean-up.ts';
import { maxPodsOffline, showMaxPods } from './max-pods.ts';
import type { DriftAnswer } from '../observe/drift.ts';
import { showDrift } from './show-drift.ts';
import { showExplanation } from './show-explain.ts';
import { showPlan } from './show-plan.ts';
import { showCalls, showInterfaces, showPods, showSubnets } from './show-rows.ts';
import { showStatus } from './show-status.ts';
import { completion } from './completion.ts';
import { MIGRATE_COMMANDS } from './migrate-commands.ts';
import { NODE_COMMANDS } from './node-commands.ts';
import type { WorkContext, Worked } from './work.ts';

export interface Command {
  readonly name: string;
  /** What follows the name on the command line. */
  readonly synopsis: string;
  readonly summary: string;
  readonly help: string;
  /** The name of its one argument. */
  readonly argument?: string;
  readonly takesSettings?: boolean;
  /** Answers without a daemon where the question says of what; undefined: the daemon is to be asked. */
  readonly offline?: (question: Question) => unknown;
  /** Acts on this node itself instead of asking its daemon; --yes is its leave to change anything. */
  readonly act?: (how: { readonly yes: boolean; readonly socket: string }) => Promise<unknown>;
  /** Does it all itself, from the arguments after its name to what is printed. */
  readonly run?: (argv: readonly string[]) => Promise<string>;
  /** Reads its own arguments, output options left out, and works on this node or on a file. */
  readonly work?: (argv: readonly string[], context: WorkContext) => Promise<Worked>;
  readonly path: (question: Question) => string;
  /** The answer for people; `now` is the time of asking. */
  readonly show: (answer: unknown, now: number) => string;
}

export interface Question {
  readonly argument: string;
  /** `KEY=VALUE` each. */
  readonly settings: readonly string[];
  /** --instance-type; `''`: not given. */
  readonly instanceType: string;
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
    help: 'One line for each attachment that holds an address. Pods with security groups of their own are among them, with their branch ENI and its table.',
    path: () => '/v1/pods',
    show: as<readonly PodRow[]>(showPods),
  },
  {
    name: 'enis',
    synopsis: '',
    summary: 'every network interface and how its addresses are used',
    help: 'One line for each ENI of the instance, unmanaged ones included. ADDRESSES is assigned + cooling + free. DEVICE is CARD/INDEX on a network card other than the first.',
    path: () => '/v1/enis',
    show: as<InterfacesByCard>(showInterfaces),
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
    help: [
      'SUBJECT is a pod (namespace/name, name, container id or host link), an ENI id, a subnet id or an address. A pod that waits for',
      'its address is found as well: what holds it up, and what to do.',
    ].join('\n'),
    argument: 'SUBJECT',
    path: ({ argument }) => `/v1/explain?${new URLSearchParams({ subject: argument }).toString()}`,
    show: as<ExplainAnswer>(showExplanation),
  },
  {
    name: 'calls',
    synopsis: '',
    summary: 'recent EC2 calls with their causes, and how many may be made',
    help: [
      'The last calls, oldest first, and how many there were for each cause. CAUSE is the reason code of the plan, or the step of',
      'the start, that made the call. At the end how many calls a second this node allows itself: fewer while EC2 throttles.',
    ].join('\n'),
    path: () => '/v1/calls',
    show: as<CallsAnswer>(showCalls),
  },
  {
    name: 'drift',
    synopsis: '',
    summary: 'what others took away or changed in the kernel, and what became of it',
    help: [
      'Rules, routes, neighbours, addresses, links, sysctls and the nftables table of wellspring are put back within a second. OUTCOME is',
      'repaired; held-back, where somebody undoes the repair for ever; failed, where the kernel refuses it; missing, for a link that is',
      'gone. PERHAPS BY is a guess: the process that the kernel named, and those that run here and are known for it.',
    ].join('\n'),
    path: () => '/v1/drift',
    show: as<DriftAnswer>(showDrift),
  },
  {
    name: 'max-pods',
    synopsis: '[--instance-type TYPE [--set KEY=VALUE]...]',
    summary: 'how many pods kubelet should admit, and how to tell it',
    help: [
      'EKS’s formula: ENIs × (addresses − 1) + 2, prefixes count 16 times, custom networking takes the primary ENI off, and not',
      'more than 110 pods (above 30 vCPUs: 250). Without --instance-type for this node, as its ipamd runs; with it for that type,',
      'from a table, without asking anybody. Keys: ENABLE_PREFIX_DELEGATION, MAX_ENI, AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG.',
    ].join('\n'),
    takesSettings: true,
    offline: ({ instanceType, settings }) => (instanceType === '' ? undefined : maxPodsOffline(instanceType, settings)),
    path: () => '/v1/max-pods',
    show: as<MaxPodsAnswer>(showMaxPods),
  },
  {
    name: 'cleanup',
    synopsis: '[--yes]',
    summary: 'what of wellspring is in the kernel of this node; --yes removes it',
    help: [
      'Links of pods, rules, routes, addresses and the nftables table, found by their numbers alone: it needs no daemon, no journal,',
      'and leaves what others made. Without --yes nothing is changed. With --yes pods lose their network; it is refused while ipamd',
      'answers on the socket. Run it as root on the node, to uninstall or to start afresh.',
    ].join('\n'),
    act: runCleanUp,
    path: () => '/v1/status',
    show: as<CleanUp>(showCleanUp),
  },
  {
    name: 'simulate',
    synopsis: '--preset NAME | --cluster FILE --workload FILE',
    summary: 'a whole cluster in virtual time: delays, idle addresses, EC2 calls',
    help: [
      'Runs the production planner, ledger and call budget for every node against a model of EC2. Needs no daemon and no network.',
      '--list-presets  what there is to begin with        --seed N        the same seed gives the same result (default 1)',
      '--policy wellspring|peer|both                      --set KEY=VALUE  a setting of ipamd, for all nodes',
      '--html FILE     writes a report beside what is printed: one file, charts and tables, no network',
      'The workload is a list of generators (.json) or a trace (CSV, JSON Lines) of pods. Forms: docs/simulator.md.',
    ].join('\n'),
    run: simulate,
    path: () => '/v1/status',
    show: String,
  },
  {
    name: 'recommend',
    synopsis: '--preset NAME | --cluster FILE --workload FILE',
    summary: 'the pool settings for a cluster and its workload, by simulating them',
    help: [
      'Simulates the cluster under many settings and shows those that no other beats in idle addresses, delays and EC2 calls at once.',
      'It picks one, says why, and prints what to paste. --preset, --cluster, --workload, --seed and --set are those of `simulate`;',
      'the settings of the cluster and --set are the current ones.',
      '--objective balanced|idle|delay|calls     what counts most (default balanced)',
      '--instance-types LIST                     types to choose from, with commas; as many nodes as have the same vCPUs',
      '--group NAME                              one node group; else each in turn',
      '--runs N                                  no more simulations than this for each group (default 80)',
      '--seeds N                                 the settings that stand are judged by so many seeds (default 3)',
      '--html FILE                               writes a report beside what is printed: one file, charts and tables, no network',
      '--compare                                 instead: the recommendation beside amazon-vpc-cni-k8s with its defaults, on other seeds,',
      '                                          for one preset of each generator or what is given. Exit status 3: it is not better.',
    ].join('\n'),
    work: recommend,
    path: () => '/v1/status',
    show: String,
  },
  FORECAST_COMMAND,
  {
    name: 'record',
    synopsis: '[--out FILE] [--duration TIME] [--interval TIME] [--node N]',
    summary: 'a trace of this node’s pods as they come and go, for `simulate` and `recommend`',
    help: [
      'Looks at the pods of this ipamd again and again and writes one line of JSON for each that is gone, and at the end for those that',
      'still run. Ctrl-C ends it; the file is whole then. Pods that live for less than the interval may be missed.',
      '--out FILE       the trace (default pods.jsonl; overwritten)     --duration TIME  for example 90s, 15m, 24h (default: until Ctrl-C)',
      '--interval TIME  between two looks (default 1s)                  --node N         which node of the simulated cluster it is (default 0)',
      'Traces of several nodes, each with a number of its own, become one by `cat`.',
    ].join('\n'),
    work: record,
    path: () => '/v1/status',
    show: String,
  },
  ...NODE_COMMANDS,
  ...MIGRATE_COMMANDS,
  {
    name: 'completion',
    synopsis: 'bash|zsh|fish',
    summary: 'completion of commands and options for a shell',
    help: 'Prints a script. bash, zsh: source <(wellspringctl completion bash). fish: wellspringctl completion fish | source.',
    work: (argv) => {
      const script = completion(argv, COMMANDS);
      return Promise.resolve({ answer: { script }, show: () => script, exitCode: 0 });
    },
    path: () => '/v1/status',
    show: String,
  },
];
