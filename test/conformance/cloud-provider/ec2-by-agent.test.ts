import { Ec2Agent } from '#cloud/aws/agent/ec2-agent.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';
import { describeCloudProvider } from './describe-cloud-provider.ts';
import { emulatedPlace } from './subject.ts';
import { bareEnvironment } from '#test/support/bare-environment.ts';

describeCloudProvider('a process of its own that asks the emulator over HTTP', async () => {
  const cloud = await startCloud();
  const agent = new Ec2Agent({
    region: 'us-east-1',
    endpoint: cloud.endpoint,
    version: '0.0.0',
    httpTimeoutSeconds: 5,
    environment: { ...bareEnvironment(), AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' },
  });
  const dispose = async (): Promise<void> => {
    await agent[Symbol.asyncDispose]();
    await cloud[Symbol.asyncDispose]();
  };
  return { provider: agent.provider, place: emulatedPlace(cloud.region), [Symbol.asyncDispose]: dispose };
});
