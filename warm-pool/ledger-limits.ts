import type { Ledger } from './ledger-state.ts';

/** The ledger of a node that may run this many pods; the same object where it may already. */
export function withMaxPods(ledger: Ledger, maxPods: number): Ledger {
  const { config } = ledger;
  if (config.limits.maxPods === maxPods) return ledger;
  return { ...ledger, config: { ...config, limits: { ...config.limits, maxPods } } };
}

/** The ledger of a node that may have this many interfaces on card 0; the same object where it may already. */
export function withMaxInterfaces(ledger: Ledger, maxInterfaces: number): Ledger {
  const { config } = ledger;
  if (config.limits.maxInterfaces === maxInterfaces) return ledger;
  return { ...ledger, config: { ...config, limits: { ...config.limits, maxInterfaces } } };
}
