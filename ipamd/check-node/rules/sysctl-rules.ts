/** Sysctls that pods' packets depend on. Pure. */
import { ok, finding, type Finding } from '../finding.ts';
import type { NodeFacts } from '../facts.ts';
import { linkOfEni } from '../trace/leave-node.ts';
import { reversePathFilter } from '../trace/source-check.ts';
import { enisOf, isInUse, podLinks, servesIpv6 } from '../view.ts';

const RUNBOOK = 'kernel-settings.md';

export function sysctlRules(facts: NodeFacts): readonly Finding[] {
  if (!('value' in facts.kernel)) return [];
  return [...forwarding(facts), ...eniFilters(facts), ...podFilters(facts), ...conntrack(facts)];
}

/** Before the daemon has run, it is no fault: it sets these itself. */
function graveIfUsed(facts: NodeFacts): 'error' | 'info' {
  return isInUse(facts) ? 'error' : 'info';
}

function forwarding(facts: NodeFacts): readonly Finding[] {
  const wanted = [
    { check: 'ip-forward', name: 'net/ipv4/ip_forward', matters: true },
    { check: 'ipv6-forwarding', name: 'net/ipv6/conf/all/forwarding', matters: servesIpv6(facts) },
  ];
  const of = wanted
    .filter(({ matters }) => matters)
    .map(({ check, name }) => {
      const dotted = name.replaceAll('/', '.');
      const value = facts.sysctls[name];
      if (value === '1') return ok(check, `${dotted} is 1`);
      const seen = `${dotted} is ${value ?? 'not there'}: what pods send is not forwarded`;
      return finding(check, graveIfUsed(facts), seen, `sysctl -w ${dotted}=1`, RUNBOOK);
    });
  const off = podLinks(facts).filter(({ name }) => facts.sysctls[`net/ipv4/conf/${name}/forwarding`] === '0');
  if (off.length === 0 || facts.sysctls['net/ipv4/ip_forward'] === '0') return of;
  const names = off.map(({ name }) => name).join(', ');
  const cure = off.map(({ name }) => `sysctl -w net.ipv4.conf.${name}.forwarding=1`).join('; ');
  return [...of, finding('link-forwarding', 'error', `forwarding is off for pods' links: ${names}`, cure, RUNBOOK)];
}

/** Strict filtering on an ENI drops what comes in by another ENI than its sender is routed by. */
function eniFilters(facts: NodeFacts): readonly Finding[] {
  if (!('value' in facts.kernel)) return [];
  const input = { kernel: facts.kernel.value, enis: enisOf(facts) };
  const links = enisOf(facts).flatMap((eni) => linkOfEni(input, eni) ?? []);
  const strict = links.filter(({ name }) => reversePathFilter(facts.sysctls, name) === 1);
  if (strict.length === 0)
    return links.length === 0 ? [] : [ok('eni-rp-filter', 'no ENI filters by the reverse path strictly')];
  return strict.map(({ name }) =>
    finding(
      'eni-rp-filter',
      links.length > 1 ? 'error' : 'warning',
      `rp_filter of ${name} is strict (1, the larger of all and ${name}): replies that come in by another ENI are dropped`,
      `sysctl -w net.ipv4.conf.${name}.rp_filter=2`,
      RUNBOOK,
    ),
  );
}

function podFilters(facts: NodeFacts): readonly Finding[] {
  const links = podLinks(facts);
  if (links.length === 0) return [];
  if (facts.sysctls['net/ipv4/conf/all/rp_filter'] === '2') {
    const seen =
      "net.ipv4.conf.all.rp_filter is 2, which loosens the filter of pods' links: nftables alone keeps pods from forging sources";
    return [finding('pod-rp-filter', 'warning', seen, 'sysctl -w net.ipv4.conf.all.rp_filter=0', RUNBOOK)];
  }
  const loose = links.filter(
    ({ name, group }) => (group & 0xff00) !== 0xfe00 && facts.sysctls[`net/ipv4/conf/${name}/rp_filter`] === '0',
  );
  if (loose.length === 0) return [ok('pod-rp-filter', `strict on ${links.length} links of pods`)];
  const names = loose.map(({ name }) => name);
  const cure = names.map((name) => `sysctl -w net.ipv4.conf.${name}.rp_filter=1`).join('; ');
  return [finding('pod-rp-filter', 'warning', `rp_filter is off for ${names.join(', ')}`, cure, RUNBOOK)];
}

function conntrack(facts: NodeFacts): readonly Finding[] {
  const count = Number(facts.sysctls['net/netfilter/nf_conntrack_count'] ?? Number.NaN);
  const max = Number(facts.sysctls['net/netfilter/nf_conntrack_max'] ?? Number.NaN);
  if (Number.isNaN(count) || Number.isNaN(max) || max === 0) return [];
  const seen = `${count} of ${max} connections are tracked`;
  if (count < max * 0.9) return [ok('conntrack', seen)];
  const cure = `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}`;
  return [
    finding(
      'conntrack',
      count >= max ? 'error' : 'warning',
      `${seen}: new ones are dropped when it is full`,
      cure,
      RUNBOOK,
    ),
  ];
}
