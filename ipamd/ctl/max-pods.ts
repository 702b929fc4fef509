/** `max-pods`: for the node that is asked, or for an instance type without any node. */
import { instanceTypeRecords, instanceTypeTable } from '#cloud/instance-types.ts';
import { ConfigError, parseConfig } from '../config/config.ts';
import { maxPodsAnswer, type MaxPodsAnswer } from '../observe/explain-max-pods.ts';
import { nearest } from '../observe/explain-nearest.ts';
import { allocationMode, instanceLimits } from '../start/discover.ts';
import { Failure, usage } from './failure.ts';

/** What the number depends on. */
const KEYS = ['ENABLE_PREFIX_DELEGATION', 'MAX_ENI', 'AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG'];

/** From the table of instance types. Throws Failure: 1 for a type that is not in it, 2 for settings that are wrong. */
export function maxPodsOffline(instanceType: string, settings: readonly string[]): MaxPodsAnswer {
  const type = instanceTypeTable().get(instanceType);
  const record = instanceTypeRecords().get(instanceType);
  if (type === undefined || record === undefined) {
    const near = nearest(instanceType, [...instanceTypeTable().keys()], 3).join(', ');
    throw new Failure(1, {
      what: `the instance type ${JSON.stringify(instanceType)} is not in the table`,
      why: `the nearest are ${near}.`,
      fix: 'Ask on a node of that type, without --instance-type: its ipamd learns the limits from EC2.',
    });
  }
  const config = configOf(settings);
  return maxPodsAnswer({
    instanceType,
    ...instanceLimits(type, config),
    vcpus: record.vcpus,
    mode: allocationMode(type, config),
    customNetworking: config.customNetworking,
  });
}

function configOf(settings: readonly string[]) {
  const env = Object.fromEntries(settings.map((setting) => setting.split(/=(.*)/s, 2) as [string, string]));
  const unknown = Object.keys(env).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw usage(`${unknown} does not change the number of pods`, `those that do are ${KEYS.join(', ')}.`);
  try {
    return parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) throw usage('a setting is not allowed', error.problems.join(' '));
    throw error;
  }
}

export function showMaxPods(answer: MaxPodsAnswer): string {
  const { instanceType, maxPods, uncapped, cap, vcpus, mode, customNetworking, interfaces, addressesPerInterface } =
    answer;
  const of = mode === 'prefix' ? `${addressesPerInterface} prefixes of 16` : `${addressesPerInterface} addresses`;
  const less = customNetworking ? ' (custom networking leaves the primary one out)' : '';
  const bound = uncapped > cap ? `; EKS bounds a node of ${vcpus} vCPUs at ${cap}` : '';
  return [
    `${maxPods} pods on ${instanceType}: ${interfaces} ENIs${less} with ${of}, and ${answer.hostNetworkPods} pods on the host network, is ${uncapped}${bound}.`,
    '',
    `kubelet flag: ${answer.kubelet.flag}`,
    'or a file in the directory of its --config-dir, for example 50-max-pods.conf:',
    '',
    answer.kubelet.dropIn,
  ].join('\n');
}
