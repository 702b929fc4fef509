import { describe, expect, it } from '@jest/globals';
import { DescriptionError, parseYaml } from './parse.ts';

const node = 'nodes: [{ name: n, subnet: b, instanceType: m5.large';

describe('a description', () => {
  it.each([
    ['vpcs: [{ name: a, cidr: 10.0.0.0/16, colour: red }]', 'vpcs[0].colour is not known; there is name, cidr'],
    ['vpcs: [{ name: a }]', 'vpcs[0].cidr must be a text, and is missing'],
    ['vpcs: [{ name: A_b, cidr: 10.0.0.0/16 }]', 'vpcs[0].name must be a name'],
    ['vpcs: { name: a }', 'vpcs must be a list'],
    ['- a', 'the description must be a mapping with region'],
    ['region: Mars', 'region must be a name such as us-east-1, not "Mars"'],
    ['seed: -1', 'seed must be a whole number'],
    [`vpcs: [{ name: a, cidr: 10.0.0.0/16, ${node} }] }]`, 'vpcs[0].nodes[0].subnet must be'],
    [
      `vpcs: [{ name: a, cidr: 10.0.0.0/16, subnets: [{ name: b, cidr: 10.0.0.0/24 }], ${node}, securityGroups: [x] }] }]`,
      'vpcs[0].nodes[0].securityGroups names x; the VPC has default',
    ],
    ['vpcs: [{ name: a, cidr: 10.0.0.0/16 }, { name: a, cidr: 10.1.0.0/16 }]', 'the name a is given twice'],
    ['vpcs: [{ name: a, cidr: 10.0.0.0/16, tags: { a: [1] } }]', 'vpcs[0].tags.a must be a text'],
    ['faults: [{ action: CreateVpc, kind: melt }]', 'faults[0]: kind must be one of error'],
    ['faults: [{ action: Melt, kind: drop }]', 'faults[0]: action must be'],
    ['latency: soon', 'latency must be an object'],
    ['throttling: { classes: { red: 1 } }', 'throttling.classes has no field red'],
    ['vpcs: [', 'at line 1'],
    ['a: 1\na: 2', 'Map keys must be unique at line 2'],
  ])('refuses %s', (yaml, why) => {
    expect(() => parseYaml(yaml)).toThrow(DescriptionError);
    expect(() => parseYaml(yaml)).toThrow(why);
  });

  it('may be empty, and may be JSON', () => {
    expect(parseYaml('')).toMatchObject({ vpcs: [], faults: [], switches: {} });
    const vpcs = [{ name: 'a', cidr: '10.0.0.0/16', ipv6: true, tags: { n: 1 } }];
    expect(parseYaml(JSON.stringify({ vpcs, latency: 5 }))).toMatchObject({
      vpcs: [{ name: 'a', ipv6: true, tags: { n: '1' } }],
      switches: { latency: { default: 5 } },
    });
  });
});
