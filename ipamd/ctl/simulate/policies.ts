/** The policies that can be simulated, by their names. */
import type { Policy } from '#warm-pool/simulator/agent.ts';
import { peer } from '#warm-pool/simulator/peer-node.ts';
import { wellspring } from '#warm-pool/simulator/wellspring-node.ts';
import { urgencyOf } from '../../call-urgency.ts';

export type PolicyName = 'wellspring' | 'peer';

export const POLICIES: Readonly<Record<PolicyName, Policy>> = { wellspring: wellspring(urgencyOf), peer };
