/** What the daemon shows of itself: the peer's paths (`/v1/enis`, `/v1/ipamd-env-settings`) and ours. */
import { cpus } from 'node:os';
import type { WarmTargets } from '#warm-pool/model.ts';
import type { CallRecord } from '#cloud/decorate/call-ledger.ts';
import type { CallReport } from '../cloud-stack.ts';
import { instanceTypeRecords } from '#cloud/instance-types.ts';
import type { Config } from '../config/config.ts';
import type { EniConfigLookup } from '../kubernetes/cluster-view.ts';
import { OPTIONS, type Option } from '../config/options.data.ts';
import type { Pool } from '../pool.ts';
import type { StoredAssignment, StoredBranch } from '../store/records.ts';
import type { Node } from '../start/discover.ts';
import type { DriftAnswer } from './drift.ts';
import { plannedWith } from './explain-plan.ts';
import { QuestionRefused } from './explain-refused.ts';
import { maxPodsAnswer, type MaxPodsAnswer } from './explain-max-pods.ts';
import { interfacesByCard, podRows } from './explain-rows.ts';
import { explainSubject } from './explain-subject.ts';
import { subnetsOf } from './explain-subnet.ts';
import { json, type Page, type Routes } from './http.ts';

export interface Introspected {
  readonly config: Config;
  readonly node: Node;
  readonly pool: Pool;
  readonly targets: WarmTargets;
  readonly attachments: ReadonlyMap<string, StoredAssignment>;
  readonly branches: ReadonlyMap<string, StoredBranch>;
  readonly calls: () => CallReport;
  readonly drift: () => DriftAnswer;
  readonly eniConfig: () => EniConfigLookup;
  readonly startedAt: number;
  readonly version: string;
  readonly now: () => number;
}

export function introspectionRoutes(source: Introspected): Routes {
  const routes: Routes = {
    '/v1/status': () => json(status(source)),
    '/v1/enis': () => json(interfacesByCard(source)),
    '/v1/pods': () => json(podRows(source)),
    '/v1/max-pods': () => json(maxPodsOfNode(source)),
    '/v1/subnets': () => json(subnetsOf(source.pool, source.now())),
    '/v1/plan': (query) => answered(() => plannedWith(query.getAll('set'), source)),
    '/v1/explain': (query) => answered(() => explainSubject(query.get('subject') ?? '', source)),
    '/v1/calls': () => json(callsAnswer(source.calls())),
    '/v1/drift': () => json(source.drift()),
    '/v1/eni-configs': () => eniConfigName(source),
    '/v1/ipamd-env-settings': () => json(settings(source.config)),
    '/v1/networkutils-env-settings': () => json(settings(source.config, 'datapath')),
  };
  return { ...routes, '/': () => json(Object.keys(routes)) };
}

export type StatusAnswer = ReturnType<typeof status>;

function status({ node, pool, startedAt, version, now }: Introspected) {
  const { interfaces, total, assigned, cooling, free, prefixes } = pool.summary();
  const { mode, family = 'ipv4', limits } = pool.ledger.config;
  const { cloudBackOffUntil, lastCloudError } = pool;
  return {
    version,
    instanceId: node.identity.instanceId,
    instanceType: node.identity.instanceType,
    subnetId: node.identity.subnetId,
    primaryAddress: node.identity.primaryAddress,
    upSeconds: Math.round((now() - startedAt) / 1000),
    mode,
    family,
    limits,
    cards: Object.entries(interfacesByCard({ pool })).map(([card, { HostsPods, MaxENIs, ENIs }]) => ({
      networkCardIndex: Number(card),
      hostsPods: HostsPods,
      interfaces: Object.keys(ENIs).length,
      maxInterfaces: MaxENIs,
    })),
    pool: { interfaces, total, assigned, cooling, free, prefixes, waiting: pool.waiting },
    cloud: {
      /** Calls under way. */
      inFlight: pool.ledger.inFlight.size,
      backOffUntil: cloudBackOffUntil > now() ? new Date(cloudBackOffUntil).toISOString() : null,
      lastError: lastCloudError instanceof Error ? lastCloudError.message : null,
    },
  };
}

/** As this node runs; not bound by what kubelet was told before. */
function maxPodsOfNode({ config, node, pool }: Introspected): MaxPodsAnswer {
  const { limits, mode } = pool.ledger.config;
  const { instanceType } = node.identity;
  const vcpus = instanceTypeRecords().get(instanceType)?.vcpus ?? cpus().length;
  return maxPodsAnswer({
    instanceType,
    ...limits,
    mode,
    vcpus,
    customNetworking: config.customNetworking,
  });
}

function answered(answer: () => unknown): Page {
  try {
    return json(answer());
  } catch (error) {
    if (error instanceof QuestionRefused) return json({ ...error.refusal, ...error.details }, error.status);
    throw error;
  }
}

export type CallsAnswer = ReturnType<typeof callsAnswer>;

function callsAnswer({ recent, byCause, budget }: CallReport) {
  return { budget, byCause, recent: recent.map(shownCall) };
}

function shownCall({ startedAt, durationMs, ...call }: CallRecord) {
  return { startedAt: new Date(startedAt).toISOString(), durationMs: Math.round(durationMs), ...call };
}

/** As the peer answers: the name of the ENIConfig that this node uses, and nothing without custom networking. */
function eniConfigName({ config, eniConfig }: Introspected): Page {
  if (!config.customNetworking) return json(null);
  const found = eniConfig();
  switch (found.kind) {
    case 'found':
      return json(found.eniConfig.name);
    case 'missing':
      return json({ error: found.why }, 404);
    case 'unknown':
      return json({ error: 'which ENIConfig this node uses is not known yet: the API server has not told' }, 503);
    default:
      return found satisfies never;
  }
}

/** All settings, or those of one group. */
function settings(config: Config, group?: Option['group']): unknown {
  const shown = Object.entries(OPTIONS).filter(([, option]) => group === undefined || option.group === group);
  return Object.fromEntries(shown.map(([key, option]) => [option.env, config[key as keyof Config] ?? null]));
}
