/** `trace` of a pod of the fixture's node, from what the kernel holds at this moment. */
import { readRuleset } from '#ipamd/check-node/collect/nft.ts';
import { askRoute, hostKernel, podKernel } from '#ipamd/check-node/collect/kernel.ts';
import { collectSysctls } from '#ipamd/check-node/collect/sysctls.ts';
import type { TraceResult } from '#ipamd/check-node/trace/steps.ts';
import { trace } from '#ipamd/check-node/trace/trace.ts';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { openKernel } from '#ipamd/datapath/kernel.ts';
import { completeMarks } from '#ipamd/datapath/marks.ts';
import type { DatapathFixture } from './datapath-fixture.ts';

/** A UDP packet to that port, judged; with the kernel's own word beside it. */
export async function tracedPacket(
  { node }: Pick<DatapathFixture, 'node'>,
  pod: PodAttachment,
  destination: string,
  port: number,
): Promise<TraceResult & { kernelSays: unknown }> {
  using kernel = await openKernel({ hostNetns: node.path('node') });
  const host = hostKernel(kernel);
  const result = trace({
    pod: {
      name: pod.containerId,
      addresses: pod.addresses,
      hostIfName: pod.hostIfName,
      ifName: pod.ifName,
      inside: podKernel(kernel, pod.netns),
    },
    destination,
    protocol: 'udp',
    port,
    kernel: host,
    nft: readRuleset(kernel.nft),
    sysctls: collectSysctls(kernel, host.links),
    marks: completeMarks(),
    enis: [],
  });
  const inLink = host.links.find(({ name }) => name === pod.hostIfName)?.index ?? 0;
  const kernelSays =
    result.source === ''
      ? undefined
      : askRoute(kernel.route, {
          source: result.source,
          destination: result.translatedTo,
          inLink,
          mark: result.mark,
        });
  return { ...result, kernelSays };
}
