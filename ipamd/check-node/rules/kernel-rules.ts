/** The kernel: what it can do, and whether what is ours is there. Pure. */
import { type Finding, finding, ok } from '../finding.ts';
import { type NodeFacts, valueOr } from '../facts.ts';
import { interfaceTable, RULE_PRIORITY } from '../../datapath/marks.ts';
import { type KernelFacts, ruleLine, tableName } from '../kernel-facts.ts';
import { enisOf, isInUse, marksOf, podLinks, podsOf, rulesetOf, servesIpv6 } from '../view.ts';
import { page } from '../view.ts';

const RUNBOOK = 'kernel-refused.md';
const DRIFT = 'drift.md';
/** What puts back all that is ours: drift repair while the daemon runs, its start otherwise. */
const REPAIR =
  'kubectl -n kube-system delete pod -l app.kubernetes.io/name=wellspring --field-selector spec.nodeName=$(hostname); wellspringctl drift';
/** Modules by what lacks without them. */
const MODULES: Readonly<Record<string, string>> = {
  veth: 'veth',
  tbf: 'sch_tbf',
  vlan: '8021q',
  nftables: 'nf_tables',
  'nft fib': 'nft_fib_inet',
  'nft ct': 'nft_ct',
  'nft nat': 'nft_chain_nat',
};

export function kernelRules(facts: NodeFacts): readonly Finding[] {
  if (!('value' in facts.kernel)) {
    const seen = `the kernel cannot be asked: ${facts.kernel.unknown}`;
    return [finding('kernel', 'unknown', seen, 'Run it as root in the network namespace of the node.', null)];
  }
  return [
    ...features(facts),
    ...ourRules(facts, facts.kernel.value),
    ...ourTable(facts),
    ...pods(facts, facts.kernel.value),
    ...foreign(facts, facts.kernel.value),
  ];
}

function features(facts: NodeFacts): readonly Finding[] {
  if (!('value' in facts.features))
    return [finding('kernel-features', 'unknown', `not probed: ${facts.features.unknown}`, 'Run it as root.', null)];
  const lacking = Object.entries(facts.features.value).filter(([, errno]) => errno !== undefined && errno !== null);
  const needsVlan = page(facts, '/v1/ipamd-env-settings')['ENABLE_POD_ENI'] === true;
  const isNeeded = (feature: string): boolean =>
    feature === 'vlan' ? needsVlan : !feature.startsWith('IPv6') || servesIpv6(facts);
  const found = lacking.map(([feature, errno]) => {
    const module = MODULES[feature];
    const cure =
      module === undefined
        ? 'Use a kernel that has it (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES).'
        : `modprobe ${module}`;
    const needed = isNeeded(feature);
    const seen = `Linux ${facts.kernelRelease} refuses ${feature} (${errno})${needed ? '' : ', which this node does not need now'}`;
    return finding('kernel-features', needed ? 'error' : 'info', seen, cure, RUNBOOK);
  });
  if (found.some(({ severity }) => severity === 'error')) return found;
  return [...found, ok('kernel-features', `Linux ${facts.kernelRelease} does what is needed`)];
}

function ourRules(facts: NodeFacts, kernel: KernelFacts): readonly Finding[] {
  if (!isInUse(facts)) return [];
  const marks = marksOf(facts);
  const families = servesIpv6(facts) ? (['ipv4', 'ipv6'] as const) : (['ipv4'] as const);
  const tables = enisOf(facts)
    .filter((eni) => eni.deviceIndex !== 0 || eni.networkCardIndex !== 0)
    .filter((eni) => hostsPods(facts, eni.id))
    .map(interfaceTable);
  const missing = families.flatMap((family) => {
    const has = (priority: number, table: number): boolean =>
      kernel.rules.some(
        (rule) =>
          rule.family === family &&
          rule.priority === priority &&
          rule.table === table &&
          rule.protocol === marks.protocol,
      );
    const wanted: readonly (readonly [number, number])[] = [
      [RULE_PRIORITY.toPod, marks.podTable],
      [RULE_PRIORITY.connectionMark, 254],
      ...tables.map((table) => [RULE_PRIORITY.fromPod, table] as const),
    ];
    return wanted
      .filter(([priority, table]) => !has(priority, table))
      .map(([priority, table]) => `${family} ${priority} → ${tableName(table)}`);
  });
  if (missing.length === 0)
    return [
      ok(
        'rules',
        `rules ${RULE_PRIORITY.toPod}, ${RULE_PRIORITY.connectionMark} and ${tables.length} of ENIs are there`,
      ),
    ];
  return [finding('rules', 'error', `rules of wellspring are missing: ${missing.join(', ')}`, REPAIR, DRIFT)];
}

/** ENIs that are attached and managed; others have no rules. */
function hostsPods(facts: NodeFacts, id: string): boolean {
  const cards = Object.values(page(facts, '/v1/enis')) as readonly {
    readonly ENIs?: Readonly<
      Record<string, { readonly managed?: boolean; readonly efaOnly?: boolean; readonly phase?: string }>
    >;
  }[];
  if (cards.length === 0) return false;
  return cards.some(
    ({ ENIs = {} }) => ENIs[id]?.managed === true && ENIs[id].efaOnly !== true && ENIs[id].phase === 'ready',
  );
}

const CHAINS = ['anti-spoof', 'interface', 'egress', 'source-nat'];

function ourTable(facts: NodeFacts): readonly Finding[] {
  if (!('value' in facts.nft)) {
    return [
      finding(
        'nftables',
        'unknown',
        `nftables rules are not known: ${facts.nft.unknown}`,
        /EPERM/.test(facts.nft.unknown) ? 'Run it as root.' : 'modprobe nf_tables',
        null,
      ),
    ];
  }
  const ruleset = rulesetOf(facts);
  if (ruleset === undefined)
    return [
      finding('nftables', 'unknown', 'the nftables rules of the bundle cannot be read', 'Make the bundle again.', null),
    ];
  const { nftTable } = marksOf(facts);
  const firewalls = ruleset.chains.filter(
    ({ base, table }) => base?.hook === 'forward' && base.policy === 'drop' && table !== nftTable,
  );
  const blocked = firewalls.map(({ family, table, name }) =>
    finding(
      'forward-policy',
      'warning',
      `chain ${name} of table ${family} ${table} drops what is forwarded unless a rule takes it`,
      `nft list chain ${family} ${table} ${name}; iptables -P FORWARD ACCEPT where it is iptables'`,
      'pod-connectivity.md',
    ),
  );
  if (!isInUse(facts)) return blocked;
  const own = ruleset.chains.filter(({ family, table }) => family === 'inet' && table === nftTable);
  const missing = CHAINS.filter((name) => !own.some((chain) => chain.name === name));
  const empty = own
    .filter(({ name, rules }) => (name === 'anti-spoof' || name === 'egress') && rules.length === 0)
    .map(({ name }) => name);
  if (missing.length > 0)
    return [
      ...blocked,
      finding('nftables', 'error', `table inet ${nftTable} lacks ${missing.join(', ')}`, REPAIR, DRIFT),
    ];
  if (empty.length > 0)
    return [
      ...blocked,
      finding('nftables', 'error', `chains of table inet ${nftTable} are empty: ${empty.join(', ')}`, REPAIR, DRIFT),
    ];
  return [...blocked, ok('nftables', `table inet ${nftTable} has its ${own.length} chains`)];
}

function pods(facts: NodeFacts, kernel: KernelFacts): readonly Finding[] {
  const { podTable } = marksOf(facts);
  const known = podsOf(facts);
  const names = new Map(kernel.links.map((link) => [link.name, link]));
  const routed = new Set(
    kernel.routes.filter(({ table }) => table === podTable).map(({ destination, link }) => `${destination} ${link}`),
  );
  const problems = known.flatMap((pod) => {
    const link = names.get(pod.hostIfName);
    const called = `${pod.namespace}/${pod.name}`;
    if (link === undefined) return [`${called} has no link ${pod.hostIfName}`];
    if (!link.up) return [`${called}: ${link.name} is down`];
    // Strict branch pods and those of amazon-vpc-cni-k8s have theirs elsewhere.
    const isOurs = podLinks(facts).some(({ name, group }) => name === link.name && (group & 0xff00) !== 0xfe00);
    const lost = isOurs ? pod.addresses.filter((address) => !routed.has(`${address} ${link.index}`)) : [];
    return lost.map((address) => `${called} has no route to ${address} in table ${podTable}`);
  });
  if (problems.length > 0)
    return [
      finding(
        'pods',
        'error',
        problems.join('; '),
        `${REPAIR}; a pod whose link is gone must be deleted: kubectl delete pod`,
        DRIFT,
      ),
    ];
  const unrepaired = Object.entries(valueOr({ value: page(facts, '/v1/drift')['unrepaired'] }, undefined) ?? {}).filter(
    ([, count]) => Number(count) > 0,
  );
  const drift = unrepaired.map(([kind, count]) =>
    finding(
      'drift',
      'error',
      `${count} ${kind} of wellspring are not as they should be, and repair does not help`,
      'wellspringctl drift',
      DRIFT,
    ),
  );
  return [...(known.length === 0 ? [] : [ok('pods', `${known.length} pods have their links and routes`)]), ...drift];
}

/** Rules of others that come before ours and may lead pods' packets elsewhere. */
function foreign(facts: NodeFacts, kernel: KernelFacts): readonly Finding[] {
  const { protocol } = marksOf(facts);
  const before = kernel.rules.filter(
    (rule) =>
      rule.protocol !== protocol &&
      rule.priority > 0 &&
      rule.priority < RULE_PRIORITY.fromPod &&
      rule.priority !== RULE_PRIORITY.toPod,
  );
  const [first] = before;
  if (first === undefined || !isInUse(facts)) return [];
  const seen = `${before.length} rule${before.length === 1 ? '' : 's'} of others come before those of wellspring, as "${ruleLine(first)}"`;
  return [
    finding(
      'foreign-rules',
      'info',
      seen,
      "wellspringctl trace POD DESTINATION shows whether they take pods' packets.",
      'pod-connectivity.md',
    ),
  ];
}
