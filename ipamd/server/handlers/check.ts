/** CHECK: does the kernel hold what ADD promised (SPEC.md, "CHECK")? */
import { CniError } from '#cni/spec/errors.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import { furtherOf, interfaceIndex } from '../../cards/pod-interfaces.ts';
import { canonicalIpv6 } from '#warm-pool/ipv6.ts';
import { attachmentOf, type HandlerContext, podAttachment, type PodCall, storedFor } from './context.ts';
import { ipsOf } from './addresses.ts';

export async function cmdCheck(
  call: Extract<PodCall, { command: 'ADD' | 'CHECK' }>,
  conf: NetworkConfig,
  context: HandlerContext,
): Promise<Record<string, never>> {
  const attachment = attachmentOf(call, conf);
  if (conf.prevResult === undefined) throw new CniError('invalid-config', 'CHECK needs prevResult, the result of ADD');
  return context.locks.run(attachmentKey(attachment), async () => {
    const stored = storedFor(attachment, context) ?? context.branches.storedFor(attachment);
    if (stored === undefined)
      throw new CniError(
        'unknown-container',
        `no attachment of container ${call.containerId} with ${call.ifName} on this node`,
      );
    const promised = new Set(conf.prevResult?.ips.map(({ address }) => canonicalCidr(address)));
    const whole = [stored, ...furtherOf(stored.attachment, context.attachments.values())];
    const missing = whole.flatMap(ipsOf).find(({ address }) => !promised.has(address));
    if (missing !== undefined)
      throw new CniError('damaged', `prevResult does not have ${missing.address}, an address of this attachment`);
    const lost = furtherPromised(conf).find((ifName) => !whole.some(({ attachment: each }) => each.ifName === ifName));
    if (lost !== undefined) throw new CniError('damaged', `${lost} of this attachment is gone`);
    const found = await Promise.all(
      whole.map((one) => context.datapath.checkPod(podAttachment({ ...one, netns: call.netns }, conf, context))),
    );
    const damages = found.flat();
    if (damages.length === 0) return {};
    const sentences = damages.map(({ object, expected, found }) => `${object}: expected ${expected}, found ${found}`);
    throw new CniError('damaged', `the kernel does not hold what ADD promised: ${sentences[0]}`, sentences.join('\n'));
  });
}

/** Further interfaces of a multi-NIC pod that the result of ADD names. */
function furtherPromised({ prevResult }: NetworkConfig): readonly string[] {
  const inPods = (prevResult?.interfaces ?? []).filter(({ sandbox = '' }) => sandbox !== '');
  return inPods.flatMap(({ name }) => (interfaceIndex(name) > 0 ? [name] : []));
}

function canonicalCidr(text: string): string {
  const [address = '', ...length] = text.split('/');
  return [canonicalIpv6(address), ...length].join('/');
}
