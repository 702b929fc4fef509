/** What the daemon shows of itself: the peer's paths (`/v1/enis`, `/v1/ipamd-env-settings`) and ours. */
import { explain } from '#warm-pool/explain.ts';
import { plan } from '#warm-pool/plan.ts';
import type { WarmTargets } from '#warm-pool/model.ts';
import type { CallRecord } from '#cloud/decorate/call-ledger.ts';
import type { Config } from '../config/config.ts';
import { OPTIONS } from '../config/options.data.ts';
import type { Pool } from '../pool.ts';
import type { StoredAssignment } from '../store/records.ts';
import type { Node } from '../start/discover.ts';
import { json, type Routes } from './http.ts';

export interface Introspected {
  readonly config: Config;
  readonly node: Node;
  readonly pool: Pool;
  readonly targets: WarmTargets;
  readonly attachments: ReadonlyMap<string, StoredAssignment>;
  readonly calls: () => readonly CallRecord[];
  readonly startedAt: number;
  readonly version: string;
  readonly now: () => number;
}

export function introspectionRoutes(source: Introspected): Routes {
  const routes: Routes = {
    '/v1/status': () => json(status(source)),
    '/v1/enis': () => json(enis(source)),
    '/v1/pods': () => json(pods(source)),
    '/v1/plan': () => json(plannedNow(source)),
    '/v1/calls': () => json(source.calls().map(shownCall)),
    '/v1/ipamd-env-settings': () => json(settings(source.config)),
  };
  return { ...routes, '/': () => json(Object.keys(routes)) };
}

function status({ node, pool, startedAt, version, now }: Introspected): unknown {
  const { interfaces, total, assigned, cooling, free, prefixes } = pool.summary();
  return {
    version,
    instanceId: node.identity.instanceId,
    instanceType: node.identity.instanceType,
    subnetId: node.identity.subnetId,
    primaryAddress: node.identity.primaryAddress,
    upSeconds: Math.round((now() - startedAt) / 1000),
    pool: { interfaces, total, assigned, cooling, free, prefixes, waiting: pool.waiting },
  };
}

function enis({ pool }: Introspected): unknown {
  return pool.snapshot().interfaces.map(({ networkInterface, blocks }) => ({
    id: networkInterface.id,
    deviceIndex: networkInterface.deviceIndex,
    networkCardIndex: networkInterface.networkCardIndex,
    isPrimary: networkInterface.isPrimary,
    managed: networkInterface.managed,
    phase: networkInterface.phase,
    subnetId: networkInterface.subnetId,
    mac: networkInterface.mac,
    primaryAddress: networkInterface.primaryAddress,
    routeTable: routeTable(networkInterface.deviceIndex, networkInterface.networkCardIndex),
    addresses: blocks.reduce((sum, { assigned, cooling, free }) => sum + assigned + cooling + free, 0),
    assigned: blocks.reduce((sum, { assigned }) => sum + assigned, 0),
    cooling: blocks.reduce((sum, { cooling }) => sum + cooling, 0),
    free: blocks.reduce((sum, { free }) => sum + free, 0),
    blocks: blocks.map(({ block, ...use }) => ({ cidr: block.cidr, kind: block.kind, ...use })),
  }));
}

function pods({ pool, attachments }: Introspected): unknown {
  const interfaces = new Map(
    pool.snapshot().interfaces.map(({ networkInterface }) => [networkInterface.id, networkInterface]),
  );
  return [...attachments.values()].map(({ attachment, pod, address, interfaceId, hostIfName, netns, assignedAt }) => {
    const networkInterface = interfaces.get(interfaceId);
    return {
      namespace: pod.namespace,
      name: pod.name,
      uid: pod.uid,
      address,
      eni: interfaceId,
      routeTable: routeTable(networkInterface?.deviceIndex ?? 0, networkInterface?.networkCardIndex ?? 0),
      hostIfName,
      netns,
      ...attachment,
      since: new Date(assignedAt).toISOString(),
    };
  });
}

function plannedNow({ pool, targets, now }: Introspected): unknown {
  const { actions, refusals, wakeAt } = plan(pool.snapshot(), targets, now());
  return {
    actions: actions.map((action) => ({ ...action, sentence: explain(action.why) })),
    refusals: refusals.map((refusal) => ({ ...refusal, sentence: explain(refusal.why) })),
    wakeAt: wakeAt === undefined ? null : new Date(wakeAt).toISOString(),
  };
}

function shownCall({ startedAt, durationMs, ...call }: CallRecord): unknown {
  return { startedAt: new Date(startedAt).toISOString(), durationMs: Math.round(durationMs), ...call };
}

function settings(config: Config): unknown {
  return Object.fromEntries(
    Object.entries(OPTIONS).map(([key, option]) => [option.env, config[key as keyof Config] ?? null]),
  );
}

/** The table an ENI's pods are routed by; the primary ENI's is main. Numbers as the peer's (reference: its SetupENINetwork). */
export function routeTable(deviceIndex: number, networkCardIndex: number): number | 'main' {
  if (networkCardIndex > 0) return 10_000 + deviceIndex + 100 * networkCardIndex;
  return deviceIndex === 0 ? 'main' : deviceIndex + 1;
}
