import { describe, expect, it } from '@jest/globals';
import * as ours from './tags.ts';

describe('networkInterfaceTags', () => {
  it('are those that the peer writes', () => {
    const now = Date.UTC(2026, 10, 21, 5, 6, 7, 890);
    expect(ours.networkInterfaceTags({ instanceId: 'i-1', now })).toEqual({
      'node.k8s.amazonaws.com/instance_id': 'i-1',
      'node.k8s.amazonaws.com/createdAt': '2026-11-21T05:06:07Z',
    });
    const settings = {
      instanceId: 'i-1',
      clusterName: 'blue',
      additional: { team: 'net', [ours.INSTANCE_TAG]: 'i-2' },
    };
    expect(ours.nodeTags(settings)).toEqual({
      team: 'net',
      'node.k8s.amazonaws.com/instance_id': 'i-1',
      'cluster.k8s.amazonaws.com/name': 'blue',
      'eks:eni:owner': 'amazon-vpc-cni',
    });
    expect(ours.nodeTags({ instanceId: 'i-1', clusterName: '' })).toEqual({ [ours.INSTANCE_TAG]: 'i-1' });
  });

  it('descriptions are recognised', () => {
    expect(ours.interfaceDescription('i-1')).toBe('aws-K8S-i-1');
    expect(ours.isOurDescription('aws-K8S-i-1')).toBe(true);
    expect(ours.isOurDescription('my aws-K8S-i-1')).toBe(false);
  });

  it('missing ones are those that are absent or differ', () => {
    expect(ours.missingTags({ a: '1', b: '2', c: '3' }, { a: '1', b: 'x', d: '4' })).toEqual({ b: '2', c: '3' });
  });
});

describe('parseAdditionalTags', () => {
  it('keeps strings, leaves reserved keys out and names them', () => {
    expect(ours.parseAdditionalTags('{"a":"1","x.k8s.amazonaws.com/y":"2"}')).toEqual({
      tags: { a: '1' },
      ignored: ['x.k8s.amazonaws.com/y'],
    });
    expect(ours.parseAdditionalTags('{"__proto__":"1"}')).toEqual({
      tags: Object.fromEntries([['__proto__', '1']]),
      ignored: [],
    });
  });

  it.each(['', '[]', 'null', '"a"', '{"a":1}', '{'])('%j is an error', (text) => {
    expect(ours.parseAdditionalTags(text)).toEqual({ error: expect.stringMatching(/./) });
  });
});

describe('isManaged', () => {
  const noManage = (value: string) => ({ [ours.NO_MANAGE_TAG]: value });
  it.each([
    [{}, true, true],
    [{}, false, false],
    [{ [ours.INSTANCE_TAG]: 'i-1' }, false, true],
    [{ [ours.INSTANCE_TAG]: 'i-2' }, false, false],
    [{ [ours.INSTANCE_TAG]: 'i-2' }, true, true],
    [{ ...noManage('true'), [ours.INSTANCE_TAG]: 'i-1' }, true, false],
    [noManage('false'), false, true],
    [noManage('no'), false, true],
  ])('%j with MANAGE_UNTAGGED_ENI=%j is %j', (tags, manageUntagged, managed) => {
    expect(ours.isManaged(tags, 'i-1', manageUntagged)).toBe(managed);
  });
});
