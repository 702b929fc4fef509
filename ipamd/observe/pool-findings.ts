/**
 * What of the pool changed although this daemon did not ask for it: interfaces and addresses that somebody else attached or
 * took away. Told from two states of the ledger, so that nobody who changes it need think of it.
 */
import type { InterfaceState, Ledger } from '#warm-pool/ledger-state.ts';
import type { Finding, PeerMetrics } from './peer-metrics.ts';

export interface Findings {
  readonly counts: Readonly<Record<Finding, number>>;
  /** Interfaces that went with addresses of pods. */
  readonly forcedInterfaces: number;
  /** Addresses that went while pods had them. */
  readonly forcedAddresses: number;
}

/** Pure; linear in the number of interfaces, and in that of blocks where an interface changed. */
export function findings(before: Ledger, after: Ledger): Findings {
  const counts = { eniReconcileAdd: 0, eniReconcileDel: 0, eniDataStorePoolReconcileAdd: 0, eniIPPoolReconcileDel: 0 };
  let forcedInterfaces = 0;
  if (before.interfaces !== after.interfaces) {
    for (const [id, state] of after.interfaces) {
      const known = before.interfaces.get(id);
      if (known === state) continue;
      if (known === undefined) counts.eniReconcileAdd += isAskedFor(state, before) ? 0 : 1;
      else if (known.networkInterface.blocks !== state.networkInterface.blocks) {
        counts.eniDataStorePoolReconcileAdd += unasked(known, state, before, 'assign');
        counts.eniIPPoolReconcileDel += unasked(state, known, before, 'release');
      }
    }
    for (const [id, state] of before.interfaces) {
      if (after.interfaces.has(id) || isUnderWay(before, id, 'delete-interface')) continue;
      counts.eniReconcileDel += 1;
      if (state.tally.assigned + state.tally.alone > 0) forcedInterfaces += 1;
    }
  }
  const lost = [...after.orphans.keys(), ...after.ipv6Orphans.keys()];
  const forcedAddresses = lost.filter((each) => !before.orphans.has(each) && !before.ipv6Orphans.has(each)).length;
  return { counts, forcedInterfaces, forcedAddresses };
}

/** 1 where `to` has a block that `from` has not and nobody asked for. */
function unasked(from: InterfaceState, to: InterfaceState, ledger: Ledger, kind: 'assign' | 'release'): 0 | 1 {
  const had = new Set(from.networkInterface.blocks.map(({ cidr }) => cidr));
  const isMore = to.networkInterface.blocks.some(({ cidr }) => !had.has(cidr));
  return isMore && !isUnderWay(ledger, to.networkInterface.id, kind) ? 1 : 0;
}

function isAskedFor(
  { networkInterface: { deviceIndex, networkCardIndex } }: InterfaceState,
  { inFlight }: Ledger,
): boolean {
  return [...inFlight.values()].some(
    (action) =>
      action.kind === 'create-interface' &&
      action.deviceIndex === deviceIndex &&
      action.networkCardIndex === networkCardIndex,
  );
}

function isUnderWay({ inFlight }: Ledger, id: string, kind: 'assign' | 'release' | 'delete-interface'): boolean {
  return [...inFlight.values()].some((action) => action.kind === kind && action.interfaceId === id);
}

/** Counts from now on. */
export function countFindings(
  pool: { readonly ledger: Ledger; onChange(listener: () => void): void },
  metrics: Pick<PeerMetrics, 'reconciled' | 'forcedInterfaces' | 'forcedAddresses'>,
): void {
  let last = pool.ledger;
  pool.onChange(() => {
    const before = last;
    last = pool.ledger;
    const { counts, forcedInterfaces, forcedAddresses } = findings(before, last);
    for (const [fn, count] of Object.entries(counts)) if (count > 0) metrics.reconciled.inc({ fn }, count);
    if (forcedInterfaces > 0) metrics.forcedInterfaces.inc(forcedInterfaces);
    if (forcedAddresses > 0) metrics.forcedAddresses.inc(forcedAddresses);
  });
}
