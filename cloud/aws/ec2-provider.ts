import type { CloudProvider } from '../provider.ts';
import { addressCalls } from './address-calls.ts';
import { describeCalls } from './describe-calls.ts';
import type { Ec2Send } from './ec2-send.ts';
import { interfaceCalls } from './interface-calls.ts';

/**
 * The port to the cloud over EC2: the port's words to EC2's and back, complete pages, EC2's limits on one request.
 * It neither retries nor paces; see cloud/decorate. `send` is the real SDK (ec2-client.ts) or the emulator in process
 * (cloud/emulator/send.ts).
 */
export function createEc2Provider(send: Ec2Send): CloudProvider {
  return { ...describeCalls(send), ...interfaceCalls(send), ...addressCalls(send) };
}
