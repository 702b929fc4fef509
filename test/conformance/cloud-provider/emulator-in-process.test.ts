import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import { Region } from '#cloud/emulator/region.ts';
import { createRegionSend } from '#cloud/emulator/send.ts';
import { describeCloudProvider } from './describe-cloud-provider.ts';
import { emulatedPlace } from './subject.ts';

describeCloudProvider('emulator in process', () => {
  const region = new Region({ region: 'us-east-1', clock: { now: Date.now } });
  const provider = createEc2Provider(createRegionSend(region));
  return Promise.resolve({ provider, place: emulatedPlace(region), [Symbol.asyncDispose]: () => Promise.resolve() });
});
