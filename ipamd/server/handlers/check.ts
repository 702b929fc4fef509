/** CHECK: does the kernel hold what ADD promised (SPEC.md, "CHECK")? */
import { CniError } from '#cni/spec/errors.ts';
import type { NetworkConfig } from '#cni/spec/config.ts';
import { attachmentKey } from '#warm-pool/ledger.ts';
import { attachmentOf, type HandlerContext, podAttachment, type PodCall, storedFor } from './context.ts';

export async function cmdCheck(
  call: Extract<PodCall, { command: 'ADD' | 'CHECK' }>,
  conf: NetworkConfig,
  context: HandlerContext,
): Promise<Record<string, never>> {
  const attachment = attachmentOf(call, conf);
  if (conf.prevResult === undefined) throw new CniError('invalid-config', 'CHECK needs prevResult, the result of ADD');
  return context.locks.run(attachmentKey(attachment), async () => {
    const stored = storedFor(attachment, context);
    if (stored === undefined)
      throw new CniError(
        'unknown-container',
        `no attachment of container ${call.containerId} with ${call.ifName} on this node`,
      );
    const promised = conf.prevResult?.ips.some((ip) => ip.address === `${stored.address}/32`) ?? false;
    if (!promised)
      throw new CniError('damaged', `prevResult does not have ${stored.address}/32, the address of this attachment`);
    const damages = await context.datapath.checkPod(podAttachment({ ...stored, netns: call.netns }, conf, context));
    if (damages.length === 0) return {};
    const sentences = damages.map(({ object, expected, found }) => `${object}: expected ${expected}, found ${found}`);
    throw new CniError('damaged', `the kernel does not hold what ADD promised: ${sentences[0]}`, sentences.join('\n'));
  });
}
