import { describe, expect, it } from '@jest/globals';
import { ApiError } from './api-error.ts';
import type { ApiRequest } from './api-server.ts';
import { announceFeatures, featuresOf, NotYet, withFeatures } from './cni-node.ts';

const signal = new AbortController().signal;
const GROUPS = { name: 'SecurityGroupsForPods' } as const;

describe('features of a CNINode', () => {
  it('are put beside those of others, and replace one of the same name', () => {
    const others = [{ name: 'IPv4Pool' }];
    expect(withFeatures(others, [GROUPS])).toEqual([...others, GROUPS]);
    expect(
      withFeatures([{ name: 'CustomNetworking', value: 'a' }], [{ name: 'CustomNetworking', value: 'b' }]),
    ).toEqual([{ name: 'CustomNetworking', value: 'b' }]);
  });

  it('that are there already change nothing, also with the empty value that the API server keeps', () => {
    for (const found of [[GROUPS], [{ name: 'SecurityGroupsForPods', value: '' }]])
      expect(withFeatures(found, [GROUPS])).toBe(found);
  });

  it('follow the settings; which ENIConfig it is may not be known yet', () => {
    const eniConfig = {
      kind: 'found',
      eniConfig: { name: 'zone-a', subnetId: 'subnet-1', securityGroupIds: [] },
    } as const;
    expect(featuresOf({ podEni: false, customNetworking: true }, () => eniConfig)).toEqual([]);
    expect(featuresOf({ podEni: true, customNetworking: true }, () => eniConfig)).toEqual([
      GROUPS,
      { name: 'CustomNetworking', value: 'zone-a' },
    ]);
    expect(() => featuresOf({ podEni: true, customNetworking: true }, () => ({ kind: 'unknown' }))).toThrow(NotYet);
  });

  it('are written once, with the version that was read', async () => {
    let spec: unknown = {};
    const asked: ApiRequest[] = [];
    const api = {
      request: async (request: ApiRequest) => {
        asked.push(request);
        if (request.method === 'PATCH') ({ spec } = request.body as { spec: unknown });
        return { metadata: { resourceVersion: '7' }, spec };
      },
    };
    await announceFeatures(api, 'n1', [GROUPS], signal);
    await announceFeatures(api, 'n1', [GROUPS], signal);
    expect(spec).toEqual({ features: [GROUPS] });
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /apis/vpcresources.k8s.aws/v1alpha1/cninodes/n1',
      'PATCH /apis/vpcresources.k8s.aws/v1alpha1/cninodes/n1',
      'GET /apis/vpcresources.k8s.aws/v1alpha1/cninodes/n1',
    ]);
    expect(asked[1]?.body).toMatchObject({ metadata: { resourceVersion: '7' } });
  });

  it('wait for the controller where it has made no CNINode', async () => {
    const api = { request: () => Promise.reject(new ApiError('refused', 'not found', { status: 404 })) };
    await expect(announceFeatures(api, 'n1', [GROUPS], signal)).rejects.toBeInstanceOf(NotYet);
  });
});
