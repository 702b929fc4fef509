/** When an ADD of a pod that may have an ENI of its own goes on, and with what. */
import { describe, expect, it } from '@jest/globals';
import { CniError } from '#cni/spec/errors.ts';
import { type ClusterPod, WITHOUT_CLUSTER } from '../kubernetes/cluster-view.ts';
import type { Journal } from '../store/journal.ts';
import type { Datapath } from '../datapath/datapath.ts';
import { BranchPods } from './branch-pods.ts';
import { POD_ENI } from './pod-eni.ts';
import { Trunk } from './trunk.ts';

const eni = {
  eniId: 'eni-1',
  ifAddress: '02:00:00:00:00:07',
  privateIp: '10.0.7.20',
  vlanID: 7,
  subnetCidr: '10.0.7.0/24',
};
const pod = { namespace: 'default', name: 'a', uid: 'u1' };
const trunkEni = { interfaceType: 'trunk', mac: '02:00:00:00:00:03', attachment: undefined };

/** The API server and EC2, as far as they have spoken. */
function bed(enabled = true) {
  const listeners = new Set<() => void>();
  let known: ClusterPod | undefined;
  const trunk = new Trunk();
  const cluster = {
    ...WITHOUT_CLUSTER,
    pod: () => known,
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  // Neither is touched by what is asked here.
  const [journal, datapath] = [{} as Journal, {} as Datapath];
  const pods = new BranchPods({
    enabled,
    mode: 'strict',
    family: 'ipv4',
    trunk,
    cluster,
    journal,
    datapath,
    known: [],
  });
  return {
    pods,
    trunk,
    listeners,
    say: (more: Partial<ClusterPod>) => {
      known = { uid: 'u1', annotations: {}, limits: [], ...more };
      for (const listener of listeners) listener();
    },
  };
}

const asks = { limits: ['vpc.amazonaws.com/pod-eni'] };
const answered = { ...asks, annotations: { [POD_ENI]: JSON.stringify([eni]) } };
const never = new AbortController().signal;
const late = AbortSignal.abort(new DOMException('late', 'TimeoutError'));

describe('a pod', () => {
  it('is ordinary without the setting, without a name, and without the limit', async () => {
    expect(await bed(false).pods.grantFor(pod, never)).toBeUndefined();
    expect(await bed().pods.grantFor({ namespace: '', name: '', uid: '' }, never)).toBeUndefined();
    const { pods, say } = bed();
    say({});
    expect(await pods.grantFor(pod, never)).toBeUndefined();
  });

  it('waits for the API server, the controller and the trunk, in whatever order they come', async () => {
    for (const order of [
      ['pod', 'eni', 'trunk'],
      ['trunk', 'pod', 'eni'],
      ['trunk', 'eni'],
    ] as const) {
      const { pods, trunk, say, listeners } = bed();
      const granted = pods.grantFor(pod, never);
      for (const step of order) {
        if (step === 'trunk') trunk.seen([trunkEni]);
        else say(step === 'pod' ? asks : answered);
      }
      expect(await granted).toMatchObject({
        eni: { eniId: 'eni-1', addresses: ['10.0.7.20'] },
        branch: { vlanId: 7, trunkMac: trunkEni.mac, subnetCidr: '10.0.7.0/24', mode: 'strict' },
      });
      expect(listeners.size).toBe(0);
    }
  });

  it('of an earlier pod’s name waits for its own word', async () => {
    const { pods, trunk, say } = bed();
    trunk.seen([trunkEni]);
    say({ ...answered, uid: 'u0' });
    await expect(pods.grantFor(pod, late)).rejects.toThrow('whether pod default/a has security groups of its own');
    say(asks);
    await expect(pods.grantFor(pod, late)).rejects.toThrow('has not yet given pod default/a an ENI');
  });

  it('is refused at its deadline with what is missing', async () => {
    const { pods, say } = bed();
    await expect(pods.grantFor(pod, late)).rejects.toMatchObject({ code: 106 });
    say(answered);
    await expect(pods.grantFor(pod, late)).rejects.toMatchObject({
      code: 11,
      msg: expect.stringContaining('no trunk ENI'),
    });
  });

  it('is refused at once for an annotation that says nothing sensible, also while it waits', async () => {
    const { pods, say } = bed();
    const waiting = pods.grantFor(pod, never);
    say({ ...asks, annotations: { [POD_ENI]: 'x' } });
    await expect(waiting).rejects.toBeInstanceOf(CniError);
    await expect(pods.grantFor(pod, never)).rejects.toMatchObject({
      code: 7,
      msg: expect.stringContaining('is no JSON'),
    });
  });

  it('whose runtime went away is not refused anything', async () => {
    const { pods } = bed();
    const gone = new Error('hung up');
    await expect(pods.grantFor(pod, AbortSignal.abort(gone))).rejects.toBe(gone);
  });
});
