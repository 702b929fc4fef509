import { EC2_ENDPOINT_ADDRESS, METADATA_ADDRESS } from '#cloud/emulator/fabric/fabric.ts';
import { EC2_PORT } from '#test/support/cluster.ts';

/** Where a program on the fabric finds EC2 and instance metadata, and credentials that the emulator takes. */
export function cloudEnvironment(): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL_EC2: `http://${EC2_ENDPOINT_ADDRESS}:${EC2_PORT}`,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${METADATA_ADDRESS}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
}
