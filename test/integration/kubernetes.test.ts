/** The daemon's side of the API server, against the one that this repository plays. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeClusterSide } from '#test/kubernetes/suite/cluster-side.ts';
import { fakeSubject } from '#test/support/kubernetes/fake-subject.ts';

describeClusterSide('the API-server side, with a played API server', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'wellspring-kubernetes-'));
  const subject = await fakeSubject(directory);
  return {
    ...subject,
    [Symbol.asyncDispose]: async () => {
      await subject[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
});
