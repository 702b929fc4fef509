/** Links for a described cloud: this process is in a network namespace of its own, which becomes the VPC router. */
import type { Names } from '../api/contract.ts';
import type { Cloud } from '../cloud.ts';
import { DescriptionError } from '../description/fields.ts';
import { Fabric } from '../fabric/fabric.ts';
import { follow } from '../fabric/follow.ts';
import { regionSource } from '../fabric/region-source.ts';

/** Where nodes reach the EC2 API, at the endpoint's address. */
export const NODE_EC2_PORT = 4566;

/** Resolves with the namespace of each node when its links are there. All of it goes with the stack. */
export async function layFabric(
  stack: AsyncDisposableStack,
  cloud: Cloud,
  { prefix, names }: { readonly prefix: string; readonly names: Names },
): Promise<Readonly<Record<string, string>>> {
  const [vpcId, second] = Object.values(names.vpcs);
  if (vpcId === undefined || second !== undefined) {
    throw new DescriptionError('--fabric needs a description (--file) with exactly one VPC');
  }
  const errors: Error[] = [];
  const onError = (error: Error): void => {
    errors.push(error);
    process.stderr.write(`wellspring-cloud: a link could not be laid: ${error.message}\n`);
  };
  const fabric = stack.use(await Fabric.create({ prefix, onError }));
  const namespaces: Record<string, string> = {};
  for (const [name, instanceId] of Object.entries(names.nodes)) {
    await fabric.addNode(instanceId, name);
    namespaces[name] = fabric.nodeNamespace(instanceId);
  }
  const following = stack.use(follow(regionSource(cloud.region, vpcId), fabric, onError));
  await following.settled();
  if (errors[0] !== undefined) throw errors[0];
  return namespaces;
}
