/** What ipamd is granted, by EC2's policies and by the chart, is what its code asks for: no right is missing, and none unused. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { headOf, MANIFESTS } from '#tools/generate-manifests.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const POLICIES = ['ipv4', 'ipv6', 'dual-stack'] as const;
/** Asked by nodes of one family alone. */
const OF_FAMILY: Readonly<Record<string, readonly (typeof POLICIES)[number][]>> = {
  AssignPrivateIpAddresses: ['ipv4', 'dual-stack'],
  AssignIpv6Addresses: ['ipv6', 'dual-stack'],
};

/** EC2 actions by the methods of the port that the daemon calls. */
function asked(of: 'ipamd' | 'subnet-controller' = 'ipamd'): readonly string[] {
  const files = readdirSync(join(ROOT, 'ipamd'), { recursive: true, encoding: 'utf8' }).filter(
    (path) =>
      path.endsWith('.ts') &&
      !path.endsWith('.test.ts') &&
      path.startsWith('subnet-controller/') === (of === 'subnet-controller'),
  );
  const methods = files.flatMap((path) =>
    [...readFileSync(join(ROOT, 'ipamd', path), 'utf8').matchAll(/\bprovider\s*\.\s*([a-z]\w+)\(/g)].map(
      ([, method = '']) => method,
    ),
  );
  return [...new Set(methods)].map((method) => method.charAt(0).toUpperCase() + method.slice(1)).toSorted();
}

/** EC2 actions that the adapter can send. */
function sent(): ReadonlySet<string> {
  const text = readFileSync(join(ROOT, 'cloud/aws/ec2-client.ts'), 'utf8');
  return new Set([...text.matchAll(/\b([A-Z]\w+)Command\b/g)].map(([, action = '']) => action));
}

interface Policy {
  readonly Statement: readonly {
    readonly Effect: string;
    readonly Action: readonly string[];
    readonly Resource: string | readonly string[];
  }[];
}

function policy(name: string): Policy {
  return JSON.parse(readFileSync(join(ROOT, 'deploy/iam', `${name}.json`), 'utf8')) as Policy;
}

describe('EC2', () => {
  it('the daemon asks for what the adapter can send', () => {
    expect(asked().length).toBeGreaterThan(10);
    expect(asked().filter((action) => !sent().has(action))).toEqual([]);
  });

  it.each(POLICIES)('%s.json grants what such a node asks for, and no more', (name) => {
    const granted = policy(name).Statement.flatMap(({ Action }) => Action);
    const wanted = asked().filter((action) => OF_FAMILY[action]?.includes(name) ?? true);
    expect(granted.toSorted()).toEqual(wanted.map((action) => `ec2:${action}`).toSorted());
  });

  it('subnet-controller.json grants what the subnet controller asks for, and no more', () => {
    const granted = policy('subnet-controller').Statement.flatMap(({ Action }) => Action);
    expect(granted.toSorted()).toEqual(asked('subnet-controller').map((action) => `ec2:${action}`));
  });

  it.each(POLICIES)('%s.json allows by name, and tags for network interfaces alone', (name) => {
    for (const { Effect, Action, Resource } of policy(name).Statement) {
      expect(Effect).toBe('Allow');
      expect(Action.filter((each) => each.includes('*'))).toEqual([]);
      if (Action.includes('ec2:CreateTags')) expect(Resource).toEqual(['arn:*:ec2:*:*:network-interface/*']);
    }
  });
});

describe('what is generated from the chart', () => {
  it.each(Object.entries(MANIFESTS))('%s is of the chart as it is', (path, manifest) => {
    // Byte for byte it is compared where helm is (test/kubernetes/chart.test.ts).
    expect(readFileSync(join(ROOT, path), 'utf8').slice(0, headOf(manifest).length)).toBe(headOf(manifest));
  });
});
