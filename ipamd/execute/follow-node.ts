/** What the interfaces of this node should carry, tags and security groups, set where it is missing. Never fatal. */
import { missingTags, nodeTags } from '#cloud/aws/tags.ts';
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { errorFields } from '../observe/log.ts';
import { hostsPods } from '../placement/interface-type.ts';
import type { ExecuteContext } from './context.ts';

export interface FollowOptions {
  readonly tags: Parameters<typeof nodeTags>[0];
  /** Counts what could not be set. */
  readonly countFailure: (what: 'tags' | 'security-groups') => void;
}

/**
 * The tags of this node on interfaces that it uses, the primary one included, and lacks: at most one CreateTags, none where
 * nothing is missing.
 */
export async function tagAdopted(
  attached: readonly NetworkInterfaceDescription[],
  context: ExecuteContext,
  { tags, countFailure }: FollowOptions,
  signal: AbortSignal,
): Promise<void> {
  if (context.provisioningDisabledBy !== undefined) return;
  const wanted = nodeTags(tags);
  const lacking = attached
    .filter((each) => isUsed(each, context))
    .map((each) => ({ id: each.id, missing: missingTags(wanted, each.tags) }))
    .filter(({ missing }) => Object.keys(missing).length > 0);
  if (lacking.length === 0) return;
  const resourceIds = lacking.map(({ id }) => id);
  const missing = Object.assign({}, ...lacking.map((each) => each.missing)) as Record<string, string>;
  try {
    await context.provider.createTags({ resourceIds, tags: missing }, { signal, cause: 'adopted-interfaces' });
    context.log.info(
      { enis: resourceIds, tags: Object.keys(missing) },
      'interfaces that were found attached are tagged',
    );
  } catch (error) {
    if (signal.aborted) return;
    countFailure('tags');
    context.log.warn(
      { enis: resourceIds, ...errorFields(error) },
      'interfaces that were found attached could not be tagged',
    );
  }
}

/**
 * The security groups that hold for secondary interfaces, on those that have others. Interfaces that host no new pods
 * because they lie elsewhere keep theirs. Resolves to false where one could not be set.
 */
export async function followSecurityGroups(
  attached: readonly NetworkInterfaceDescription[],
  context: ExecuteContext,
  { countFailure }: Pick<FollowOptions, 'countFailure'>,
  signal: AbortSignal,
): Promise<boolean> {
  const { provider, identity, subnets, log } = context;
  if (context.provisioningDisabledBy !== undefined) return true;
  const securityGroupIds = context.securityGroups();
  const wanted = securityGroupIds.toSorted().join();
  const others = attached.filter(
    (each) =>
      each.id !== identity.primaryInterfaceId &&
      isUsed(each, context) &&
      subnets.isExcluded({ isPrimary: false, subnetId: each.subnetId }) !== true &&
      each.securityGroupIds.toSorted().join() !== wanted,
  );
  const outcomes = await Promise.all(
    others.map(async ({ id }) => {
      try {
        const request = { networkInterfaceId: id, securityGroupIds };
        await provider.modifyNetworkInterfaceAttribute(request, { signal, cause: 'security-groups' });
        log.info({ eni: id, securityGroupIds }, 'the security groups of an interface follow');
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        countFailure('security-groups');
        log.warn({ eni: id, securityGroupIds, ...errorFields(error) }, 'the security groups could not be set');
        return false;
      }
    }),
  );
  return outcomes.every(Boolean);
}

function isUsed(description: NetworkInterfaceDescription, { identity, isManaged }: ExecuteContext): boolean {
  if (!hostsPods(description.interfaceType)) return false;
  return description.id === identity.primaryInterfaceId || isManaged(description);
}
