/** A burst on a cold node in virtual time, under the policy of ours or of amazon-vpc-cni-k8s. */
import { POLICIES, type PolicyName } from '#ipamd/ctl/simulate/policies.ts';
import { resolve } from '#ipamd/ctl/simulate/resolve.ts';
import { Simulation } from '#warm-pool/simulator/simulation.ts';
import { inOrder } from '#warm-pool/simulator/workload.ts';

export interface ColdOptions {
  readonly policy: PolicyName;
  readonly seed: number;
  readonly pods: number;
  /** Settings of the daemon, which both policies have under the same names. */
  readonly settings: Readonly<Record<string, string>>;
  readonly latencyMs: number;
  readonly attachLinkDelayMs: number;
}

export interface Cold {
  /** From the burst until the last pod has its address; kubelet asks again for those that failed. */
  readonly seconds: number;
  /** EC2 calls from the burst on. */
  readonly calls: number;
  /** ADDs that failed. */
  readonly failedAdds: number;
}

/** The pool is as the settings want it by then. The burst comes at any time of the peer's loop of 5 s. */
const BURST_AT_MS = 300_000;
const LOOP_MS = 5000;
/** The peer's loop looks for surplus long after the last pod; calls are counted until here. */
const END_MS = BURST_AT_MS + 290_000;
const NODE = { name: 'workers', instanceType: 'm5.large', count: 1 };

/** Throws where a pod is not served within five minutes. */
export function simulateCold(options: ColdOptions): Cold {
  const quiet = run(options, 0);
  const burst = run(options, options.pods);
  if (burst.podsServed !== options.pods) throw new Error(`${burst.podsServed} of ${options.pods} pods were served`);
  return {
    seconds: burst.delayMs.max / 1000,
    calls: burst.calls - quiet.calls,
    failedAdds: burst.failedAdds,
  };
}

function run({ policy, seed, settings, latencyMs, attachLinkDelayMs }: ColdOptions, count: number) {
  const start = BURST_AT_MS + ((seed * 997) % LOOP_MS);
  const pods = inOrder(Array.from({ length: count }, () => ({ start, stop: Infinity, node: 0 })));
  const exactly = (ms: number) => ({ least: ms, most: ms });
  const { cluster } = resolve(
    {
      durationHours: END_MS / 3_600_000,
      settings,
      subnets: [{ id: 'subnet-a', cidr: '10.0.0.0/24' }],
      groups: [NODE],
      pace: { latency: exactly(latencyMs), link: exactly(attachLinkDelayMs) },
    },
    pods,
    seed,
    {},
  );
  const simulation = new Simulation({ cluster, pods, policy: POLICIES[policy], seed });
  while (!simulation.advance(1000));
  return simulation.result();
}
