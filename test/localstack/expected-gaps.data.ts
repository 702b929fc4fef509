import type { ExpectedGaps } from './judge.ts';

const NOT_REFUSED = 'promise resolved instead of rejected';
const NO_PREFIXES = 'knows no prefixes: takes the parameter and assigns nothing';
const ANSWERS_ALL = 'an assign answers every address of the interface, the primary one too';
const CANNOT_BE_NEW = 'of the answer cannot all be new';

/** What the EC2 of LocalStack 4.13.1 and 2026.3.0, which is moto's, is known not to do as EC2 does. Run with both. */
export const EXPECTED_GAPS: ExpectedGaps = {
  'the MAC of an interface is one': {
    reason: 'writes numbers of another base between the colons (02:00:00:19802x:17602x:16802x)',
    failure: 'Received string:  "02:00:00:',
  },
  'a page has no more than MaxResults, and says that there are more': {
    reason: 'ignores MaxResults: everything is on one page',
    failure: 'Expected length: 5',
  },
  'addresses that are given at the same time are all different, and none is reserved': {
    reason: 'takes addresses at random and looks for duplicates on the same interface alone',
    failure: 'Expected: 56',
  },
  'an instance takes its primary interface with it when it goes': {
    reason: 'DeleteOnTermination of a primary interface is false',
    failure: 'Received: false',
  },
  'a subnet with an interface in it stays': { reason: 'deletes it', failure: NOT_REFUSED },

  'the life of an interface › counts of addresses and prefixes are met, and 0 is none': {
    // By chance it gives an address twice, which the check sees before the prefixes that are not there.
    reason: NO_PREFIXES,
    failure: 'expect(received)',
  },
  'the life of an interface › the same client token makes the same interface once; with another request it is refused':
    {
      reason: 'ignores the client token: each call makes an interface',
      failure: 'Expected: "eni-',
    },
  'the life of an interface › attached, kept on termination or not, detached and deleted': {
    reason: 'ModifyNetworkInterfaceAttribute ignores DeleteOnTermination',
    failure: 'Received: false',
  },
  'the life of an interface › security groups are replaced, also together with DeleteOnTermination': {
    reason: 'ModifyNetworkInterfaceAttribute ignores DeleteOnTermination',
    failure: '"deleteOnTermination": false',
  },

  'IPv4 addresses and prefixes › an assign answers only what is new, by count and by name': {
    reason: ANSWERS_ALL,
    failure: CANNOT_BE_NEW,
  },
  'IPv4 addresses and prefixes › prefixes likewise': { reason: NO_PREFIXES, failure: CANNOT_BE_NEW },
  'IPv4 addresses and prefixes › an unassign takes away exactly what is named, both kinds at once, and frees it in the subnet':
    { reason: NO_PREFIXES, failure: CANNOT_BE_NEW },
  'IPv4 addresses and prefixes › what is not on the interface cannot be taken from it, and nothing else is': {
    reason: 'an unassign takes what is there and is silent about the rest',
    failure: NOT_REFUSED,
  },
  "IPv4 addresses and prefixes › an address of another interface is in use, and stays the other's": {
    reason: 'assigns an address of another interface a second time',
    failure: 'toEqual(expected)',
  },
  "IPv4 addresses and prefixes › the instance type's addresses for each interface are its limit; a prefix takes the room of one":
    { reason: NO_PREFIXES, failure: CANNOT_BE_NEW },
  "IPv4 addresses and prefixes › the instance type's interfaces are its limit": {
    reason: 'knows no limit of interfaces',
    failure: NOT_REFUSED,
  },
  'IPv4 addresses and prefixes › a full subnet is exhausted for interfaces and addresses; a refused assign gives nothing':
    {
      reason: 'a subnet is never full: the count of free addresses goes below zero',
      failure: '"code": "unavailable"',
    },
  'IPv4 addresses and prefixes › free addresses without a free aligned /28 are no prefix': {
    reason: ANSWERS_ALL,
    failure: CANNOT_BE_NEW,
  },

  'IPv6 › the subnet tells its IPv6 block': {
    reason: 'DescribeSubnets tells no associated block',
    failure: 'Array []',
  },
  'IPv6 › addresses and /80 prefixes come and go; an assign answers only what is new': {
    reason: NO_PREFIXES,
    failure: 'Array []',
  },
  'IPv6 › an interface is made with a /80 beside IPv4 addresses or a /28, but not with both of those': {
    reason: NO_PREFIXES,
    failure: 'toEqual(expected)',
  },
  'IPv6 › a subnet without IPv6 has none to give': {
    reason: 'fails with an InternalFailure in place of a refusal',
    failure: '"retry": "now"',
  },

  'refusals › createTags on what is not there is not-found, in words of EC2': {
    reason: 'tags what is not there',
    failure: 'Expected constructor: CloudError',
  },
  'refusals › requests that make no sense are invalid': {
    reason: 'does not look at the form of an id',
    failure: '"code": "not-found"',
  },
  'refusals › the primary interface of an instance cannot be detached, nor its groups named wrongly': {
    reason: 'detaches it',
    failure: NOT_REFUSED,
  },
};
