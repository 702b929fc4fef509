/** What other CNIs left behind. Pure. */
import { type Finding, finding, ok } from '../finding.ts';
import type { NodeFacts } from '../facts.ts';
import { type RuleFact, ruleLine } from '../kernel-facts.ts';
import { RULE_PRIORITY } from '../../datapath/marks.ts';
import { marksOf, podsOf, rulesetOf } from '../view.ts';

const RUNBOOK = 'other-cnis.md';
/** Ours, whatever file it stands in. */
const OUR_TYPE = 'wellspring-cni';

/** Links by the names that their makers give them. */
const LINKS = [
  {
    check: 'calico',
    title: 'Calico',
    pattern: /^(cali[0-9a-f]{11}|tunl0|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali)$/,
    ignored: /^tunl0$/,
  },
  { check: 'cilium', title: 'Cilium', pattern: /^(cilium_\w+|lxc[0-9a-f]{12}|lxc_health)$/ },
  { check: 'flannel', title: 'flannel', pattern: /^(flannel(\.\d+|-v6\.\d+|-wg)|cni0)$/ },
  { check: 'weave', title: 'Weave', pattern: /^(weave|vethwe-\w+)$/ },
] as const;

export function leftoverRules(facts: NodeFacts): readonly Finding[] {
  return [...conflistOrder(facts), ...peerRules(facts), ...peerTranslation(facts), ...links(facts)];
}

/** The runtime takes the first file in order of names (libcni, LoadConfList; containerd: max_conf_num = 1). */
function conflistOrder({ cni }: NodeFacts): readonly Finding[] {
  if (!('value' in cni.conflists)) {
    const seen = `${cni.confDirectory} cannot be read (${cni.conflists.unknown})`;
    return [finding('conflist', 'unknown', seen, `ls -l ${cni.confDirectory}`, 'not-ready.md')];
  }
  const usable = cni.conflists.value.filter(({ types }) => types !== undefined);
  const ours = usable.find(({ types }) => types?.includes(OUR_TYPE));
  const [first] = usable;
  const broken = cni.conflists.value
    .filter(({ types }) => types === undefined)
    .map(({ file }) =>
      finding(
        'conflist-broken',
        'warning',
        `${cni.confDirectory}/${file} is no CNI configuration`,
        `rm ${cni.confDirectory}/${file}`,
        RUNBOOK,
      ),
    );
  if (ours === undefined) {
    const seen = `no file of ${cni.confDirectory} names ${OUR_TYPE}: the runtime does not call wellspring`;
    return [
      ...broken,
      finding(
        'conflist',
        'error',
        seen,
        `kubectl -n kube-system delete pod -l app.kubernetes.io/name=wellspring --field-selector spec.nodeName=$(hostname)`,
        'not-ready.md',
      ),
    ];
  }
  if (first === undefined || first === ours)
    return [...broken, ok('conflist', `${cni.confDirectory}/${ours.file} comes first`)];
  const seen = `${first.file} (${first.types?.join(', ')}) sorts before ${ours.file}: the runtime takes the first and never calls wellspring`;
  const cure = `mv ${cni.confDirectory}/${first.file} ${cni.confDirectory}/${first.file}.disabled`;
  return [...broken, finding('conflist-order', 'error', seen, cure, RUNBOOK)];
}

/** amazon-vpc-cni-k8s: at 512 "to POD lookup main", at 1536 "from POD lookup N"; ours have our protocol number. */
function peerRules(facts: NodeFacts): readonly Finding[] {
  if (!('value' in facts.kernel)) return [];
  const { protocol } = marksOf(facts);
  const isPeers = (rule: RuleFact): boolean =>
    rule.protocol !== protocol &&
    ((rule.priority === RULE_PRIORITY.toPod && rule.destination !== null) ||
      (rule.priority === RULE_PRIORITY.fromPod && rule.source !== null));
  const rules = facts.kernel.value.rules.filter(isPeers);
  // Pods that were taken over keep the peer's rules until they are deleted.
  const kept = new Set(podsOf(facts).flatMap(({ addresses }) => addresses));
  const left = rules.filter(({ source, destination }) => !kept.has((source ?? destination ?? '').split('/')[0] ?? ''));
  if (left.length === 0)
    return rules.length === 0
      ? []
      : [ok('peer-rules', `${rules.length} rules of amazon-vpc-cni-k8s belong to pods that were taken over`)];
  const [example] = left;
  const seen = `${left.length} rule${left.length === 1 ? '' : 's'} of amazon-vpc-cni-k8s without a pod, as "${example === undefined ? '' : ruleLine(example)}": a pod that gets the address is sent astray`;
  return [finding('peer-rules', 'error', seen, left.map(deletion).join('; '), RUNBOOK)];
}

function deletion({ family, priority, source, destination, table }: RuleFact): string {
  const version = family === 'ipv6' ? '-6 ' : '';
  const from = source === null ? '' : ` from ${source}`;
  const to = destination === null ? '' : ` to ${destination}`;
  return `ip ${version}rule del pref ${priority}${from}${to} table ${table}`;
}

function peerTranslation(facts: NodeFacts): readonly Finding[] {
  const chains = (rulesetOf(facts)?.chains ?? []).filter(({ name }) => /^AWS-(SNAT|CONNMARK)-CHAIN-\d+$/.test(name));
  const found: Finding[] = [];
  if (chains.length > 0) {
    const names = chains.map(({ family, table, name }) => `${name} (${family} ${table})`).join(', ');
    const seen = `chains of amazon-vpc-cni-k8s are left: ${names}; they translate what leaves a second time, by other rules`;
    const cure = `iptables-save | grep -v AWS- | iptables-restore`;
    found.push(finding('peer-snat', 'warning', seen, cure, RUNBOOK));
  }
  if (facts.legacyTables.length > 0) {
    const seen = `iptables-legacy has tables (${facts.legacyTables.join(', ')}), which nft does not show: rules of another CNI may be in them`;
    found.push(finding('iptables-legacy', 'info', seen, 'iptables-legacy-save | grep AWS-', RUNBOOK));
  }
  return found;
}

function links(facts: NodeFacts): readonly Finding[] {
  if (!('value' in facts.kernel)) return [];
  const names = facts.kernel.value.links.map(({ name }) => name);
  return LINKS.flatMap(({ check, title, pattern, ...rest }) => {
    const ignored = 'ignored' in rest ? rest.ignored : undefined;
    const found = names.filter((name) => pattern.test(name) && ignored?.test(name) !== true);
    if (found.length === 0) return [];
    const cure = found.map((name) => `ip link del ${name}`).join('; ');
    const seen = `links of ${title} are left: ${found.join(', ')}`;
    return [finding(check, 'warning', seen, cure, RUNBOOK)];
  });
}
