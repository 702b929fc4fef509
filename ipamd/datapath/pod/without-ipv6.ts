/** DISABLE_POD_V6: namespaces of pods in which IPv6 is switched off, for links that come later too. */
import { DatapathError, type Damage, type PodAttachment } from '../datapath.ts';
import type { Kernel } from '../kernel.ts';
import { hasIpv6 } from './desired.ts';

/** Names below /proc/sys (Documentation/networking/ip-sysctl.rst), the ones that the peer has the tuning plugin set. */
const SWITCHES = ['all', 'default', 'lo'].map((which) => `net/ipv6/conf/${which}/disable_ipv6`);

/** Before the pod's link is made: it begins with `default`. Throws `DatapathError`. */
export function switchOffIpv6(kernel: Kernel, pod: PodAttachment): void {
  if (hasIpv6(pod)) {
    const addresses = pod.addresses.join(' and ');
    throw new DatapathError(
      'kernel-refused',
      `IPv6 cannot be switched off in a pod with ${addresses} (DISABLE_POD_V6)`,
    );
  }
  const values = Object.fromEntries(SWITCHES.map((name) => [name, '1']));
  kernel.withPod(pod.netns, (_socket, _netns, setSysctls) => setSysctls(values));
}

/** The switches that somebody has turned back. Throws `DatapathError`. */
export function damageOfSwitches(kernel: Kernel, pod: PodAttachment): readonly Damage[] {
  const found = kernel.withPod(pod.netns, (_socket, _netns, _set, getSysctls) => getSysctls(SWITCHES));
  return SWITCHES.map((name) => ({
    object: `pod sysctl ${name}`,
    expected: '1',
    found: found.get(name) ?? 'missing',
  })).filter((each) => each.found !== each.expected);
}
