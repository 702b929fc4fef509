/** Every rule of EC2 that the emulator keeps: where AWS documents it, and which test covers it (docs/fidelity.md). */

const DOCS = 'https://docs.aws.amazon.com';
const PAGES = {
  errors: ['EC2 API: error codes', `${DOCS}/AWSEC2/latest/APIReference/errors-overview.html`],
  query: ['EC2 API: query requests', `${DOCS}/AWSEC2/latest/APIReference/Query-Requests.html`],
  idempotency: ['EC2 developer guide: idempotency', `${DOCS}/ec2/latest/devguide/ec2-api-idempotency.html`],
  consistency: ['EC2 developer guide: eventual consistency', `${DOCS}/ec2/latest/devguide/eventual-consistency.html`],
  throttling: ['EC2 developer guide: throttling', `${DOCS}/ec2/latest/devguide/ec2-api-throttling.html`],
  filtering: ['EC2 user guide: list and filter', `${DOCS}/AWSEC2/latest/UserGuide/Using_Filtering.html`],
  tags: ['EC2 user guide: tag restrictions', `${DOCS}/AWSEC2/latest/UserGuide/Using_Tags.html`],
  types: ['EC2 user guide: addresses per interface', `${DOCS}/AWSEC2/latest/UserGuide/AvailableIpPerENI.html`],
  interfaces: ['EC2 user guide: network interfaces', `${DOCS}/AWSEC2/latest/UserGuide/using-eni.html`],
  prefixes: ['EC2 user guide: prefix delegation', `${DOCS}/AWSEC2/latest/UserGuide/ec2-prefix-eni.html`],
  metadata: [
    'EC2 user guide: instance metadata',
    `${DOCS}/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html`,
  ],
  sizing: ['VPC user guide: subnet sizing', `${DOCS}/vpc/latest/userguide/subnet-sizing.html`],
  blocks: ['VPC user guide: CIDR blocks', `${DOCS}/vpc/latest/userguide/vpc-cidr-blocks.html`],
  reservations: ['VPC user guide: CIDR reservations', `${DOCS}/vpc/latest/userguide/subnet-cidr-reservation.html`],
  quotas: ['VPC user guide: quotas', `${DOCS}/vpc/latest/userguide/amazon-vpc-limits.html`],
  signature: ['IAM user guide: signed requests', `${DOCS}/IAM/latest/UserGuide/reference_sigv.html`],
} as const;

const action = <A extends string>(name: A) =>
  [`EC2 API: ${name}`, `${DOCS}/AWSEC2/latest/APIReference/API_${name}.html`] as const;

const REFUSALS = 'cloud/emulator/region.refusals.test.ts';
const REGION = 'cloud/emulator/region.test.ts';
const DESCRIBE = 'cloud/emulator/region.describe.test.ts';
const PROPERTIES = 'cloud/emulator/region.properties.test.ts';
const WIRE = 'test/integration/emulator-protocol.test.ts';
const SDK = 'test/integration/emulator-ec2.test.ts';
const FAULTS = 'test/integration/emulator-faults.test.ts';
const METADATA = 'test/integration/emulator-metadata.test.ts';
const KEYS = 'test/integration/emulator-credentials.test.ts';

export interface FidelityRule {
  readonly rule: string;
  /** EC2's error codes by which it is refused. */
  readonly codes?: readonly string[];
  /** A page of AWS: its name and address. */
  readonly source: readonly [string, string];
  /** File and title of a test. */
  readonly test: readonly [string, string];
}

export interface FidelityArea {
  readonly area: string;
  readonly rules: readonly FidelityRule[];
}

export const FIDELITY: readonly FidelityArea[] = [
  {
    area: 'The wire',
    rules: [
      {
        rule: 'Query requests by POST and GET; answers in the namespace of 2016-11-15, one request id in header and body',
        source: PAGES.query,
        test: [WIRE, 'answers with a document in the namespace of the API, and one request id in header and body'],
      },
      {
        rule: 'Shapes of requests and answers are those of the SDK’s own schemas',
        source: PAGES.query,
        test: ['test/integration/emulator-ec2-codec.test.ts', 'are what the installed SDK says'],
      },
      {
        rule: 'Error documents with code, message and request id; 4xx for the client, 5xx for the server',
        codes: ['InternalError'],
        source: PAGES.errors,
        test: [SDK, 'reach the SDK by EC2 code and message'],
      },
      {
        rule: 'Unknown actions, versions, parameters and values that are none are refused by name',
        codes: [
          'InvalidAction',
          'MissingAction',
          'NoSuchVersion',
          'UnknownParameter',
          'MissingParameter',
          'InvalidParameterValue',
          'InvalidQueryParameter',
          'MalformedQueryString',
          'RequestEntityTooLarge',
        ],
        source: PAGES.errors,
        test: [WIRE, 'refuses other methods, other paths and bodies beyond the limit, and goes on'],
      },
      {
        rule: 'Whatever is sent gets an answer that is no internal error',
        source: PAGES.errors,
        test: [WIRE, 'gets an XML answer that is no internal error'],
      },
      {
        rule: 'Parameters that EC2 has and the emulator has not are refused by name',
        codes: ['UnsupportedOperation'],
        source: PAGES.errors,
        test: [
          'test/repository/fidelity.test.ts',
          'every parameter of EC2 has its effect, is refused by name, or is listed as without effect',
        ],
      },
      {
        rule: 'Dry runs: every check, 412 DryRunOperation, nothing done',
        codes: ['DryRunOperation'],
        source: action('RunInstances'),
        test: [REFUSALS, 'come before a dry run, which succeeds with 412 and changes nothing'],
      },
      {
        rule: 'Client tokens: the same answer for a day, refused with other parameters',
        codes: ['IdempotentParameterMismatch'],
        source: PAGES.idempotency,
        test: [REGION, 'give the same answer again and nothing new'],
      },
      {
        rule: 'Pages of 5 to 1000, a token that survives changes between pages and belongs to its action; none with ids',
        codes: ['InvalidPaginationToken', 'InvalidParameterCombination'],
        source: PAGES.query,
        test: [DESCRIBE, 'pages without repeating or losing what stays, while interfaces come and go'],
      },
      {
        rule: 'Filters: all must match, each by one of its values; *, ? and backslash; an unknown name is refused',
        source: PAGES.filtering,
        test: [DESCRIBE, 'wants all filters to match'],
      },
      {
        rule: 'Requests at the same time take effect one after the other, whole',
        source: PAGES.consistency,
        test: [
          'test/integration/emulator-linearizable.test.ts',
          'concurrent requests of several clients have an order that explains all their answers',
        ],
      },
      {
        rule: 'Reads that lag behind writes, where switched on',
        source: PAGES.consistency,
        test: [FAULTS, 'let Describes answer from the past while writes meet the present'],
      },
      {
        rule: 'Token buckets by category and action, unfiltered reads apart, where switched on',
        codes: ['RequestLimitExceeded'],
        source: PAGES.throttling,
        test: [FAULTS, 'counts reads without ids and filters apart'],
      },
      {
        rule: 'Signature version 4 and expiry of keys, where switched on',
        codes: ['AuthFailure', 'MissingAuthenticationToken', 'RequestExpired'],
        source: PAGES.signature,
        test: [
          KEYS,
          'refuses what was changed afterwards: the body, the method, the address, a signed header, the signature',
        ],
      },
      {
        rule: 'A region for each that is signed for; ids of one are unknown in the others',
        source: action('DescribeRegions'),
        test: ['test/integration/emulator-regions.test.ts', 'does not know the ids of another region'],
      },
    ],
  },
  {
    area: 'VPCs and subnets',
    rules: [
      {
        rule: 'VPC blocks are /16 to /28, at most five, and do not overlap',
        codes: ['InvalidVpc.Range', 'CidrConflict', 'CidrLimitExceeded'],
        source: PAGES.blocks,
        test: [REFUSALS, 'an overlapping VPC block'],
      },
      {
        rule: 'Subnets are /16 to /28 within a block of their VPC and do not overlap',
        codes: ['InvalidSubnet.Range', 'InvalidSubnet.Conflict'],
        source: PAGES.sizing,
        test: [REFUSALS, 'an overlapping subnet'],
      },
      {
        rule: 'The first four addresses and the last one of a subnet are AWS’s; the count of free addresses knows it',
        source: PAGES.sizing,
        test: [REGION, 'leave a subnet full at 251, and come back when they are given up'],
      },
      {
        rule: 'CIDR reservations: prefixes come out of `prefix` ones first, what EC2 chooses never out of `explicit` ones',
        source: PAGES.reservations,
        test: [REGION, 'come out of prefix reservations first, which single addresses never do'],
      },
      {
        rule: 'A VPC with subnets or groups, a subnet with interfaces, a group in use stay',
        codes: ['DependencyViolation'],
        source: action('DeleteSubnet'),
        test: [REFUSALS, 'a subnet with interfaces'],
      },
      {
        rule: 'A VPC is born with the group `default`, which stays; names are unique in a VPC',
        codes: ['CannotDelete', 'InvalidGroup.Duplicate', 'VPCIdNotSpecified'],
        source: action('CreateSecurityGroup'),
        test: [SDK, 'have a default group, and others that are made'],
      },
      {
        rule: 'Ids are of 8 or 17 hexadecimal digits; malformed and unknown ones are told apart',
        codes: [
          'InvalidVpcID.Malformed',
          'InvalidVpcID.NotFound',
          'InvalidSubnetID.Malformed',
          'InvalidSubnetID.NotFound',
          'InvalidGroupId.Malformed',
          'InvalidGroup.NotFound',
          'InvalidNetworkInterfaceID.Malformed',
          'InvalidNetworkInterfaceID.NotFound',
          'InvalidInstanceID.Malformed',
          'InvalidInstanceID.NotFound',
          'InvalidNetworkInterfaceAttachmentId.Malformed',
          'InvalidAttachmentID.NotFound',
          'InvalidSubnetCidrReservationID.Malformed',
          'InvalidSubnetCidrReservationID.NotFound',
          'InvalidID',
        ],
        source: PAGES.errors,
        test: [REFUSALS, 'an interface id of another form'],
      },
    ],
  },
  {
    area: 'Network interfaces',
    rules: [
      {
        rule: 'No address, MAC or id is held twice; nothing reserved is held; prefixes are aligned (after any sequence of actions)',
        source: PAGES.interfaces,
        test: [PROPERTIES, 'gives every address back in the end'],
      },
      {
        rule: 'Addresses of one interface: the type’s number, 50 while it is not attached; a prefix takes the room of one',
        codes: ['PrivateIpAddressLimitExceeded'],
        source: PAGES.types,
        test: [REFUSALS, 'one address too many for an unattached interface'],
      },
      {
        rule: 'Interfaces of an instance: the type’s number, and each network card’s',
        codes: ['AttachmentLimitExceeded'],
        source: PAGES.types,
        test: [REGION, 'hold interfaces card by card'],
      },
      {
        rule: 'A subnet without enough free addresses refuses all that was asked',
        codes: ['InsufficientFreeAddressesInSubnet'],
        source: PAGES.errors,
        test: [REFUSALS, 'more addresses than the subnet has'],
      },
      {
        rule: 'Prefixes are free aligned /28 blocks: fragmentation leaves addresses but no prefix',
        codes: ['InsufficientCidrBlocks'],
        source: PAGES.prefixes,
        test: [REGION, 'run out by fragmentation while single addresses are left'],
      },
      { rule: 'Prefixes need Nitro or bare metal', source: PAGES.prefixes, test: [REFUSALS, 'prefixes on Xen'] },
      {
        rule: 'IPv6 prefixes are /80 blocks without any held address',
        source: PAGES.prefixes,
        test: [REGION, 'of IPv6 are /80 blocks without any held address'],
      },
      {
        rule: 'An assign answers only what is new',
        source: action('AssignPrivateIpAddresses'),
        test: [REGION, 'are answered by an assignment only where they are new'],
      },
      {
        rule: 'An address of another interface is refused, or moves with AllowReassignment unless it is primary',
        codes: ['InvalidIPAddress.InUse'],
        source: action('AssignPrivateIpAddresses'),
        test: [REGION, 'move to another interface with AllowReassignment, unless they are primary'],
      },
      {
        rule: 'Primary, foreign and reserved addresses cannot be unassigned or assigned',
        source: action('UnassignPrivateIpAddresses'),
        test: [REFUSALS, 'the unassignment of the primary address'],
      },
      {
        rule: 'Attached interfaces can be neither deleted nor attached again; indexes are unique; zones must agree',
        codes: ['InvalidNetworkInterface.InUse', 'IncorrectState'],
        source: action('AttachNetworkInterface'),
        test: [REFUSALS, 'the attachment of an attached interface'],
      },
      {
        rule: 'The primary interface of an instance cannot be detached',
        codes: ['OperationNotPermitted'],
        source: action('DetachNetworkInterface'),
        test: [REFUSALS, 'the detachment of the primary interface'],
      },
      {
        rule: 'One attribute is modified at a time',
        source: action('ModifyNetworkInterfaceAttribute'),
        test: [REFUSALS, 'the change of two attributes at once'],
      },
      {
        rule: 'Groups are of the interface’s VPC, at most five',
        codes: ['InvalidParameter', 'SecurityGroupsPerInterfaceLimitExceeded'],
        source: PAGES.quotas,
        test: [SDK, 'are attached, changed and detached'],
      },
    ],
  },
  {
    area: 'Instances, tags, metadata',
    rules: [
      {
        rule: 'RunInstances launches from MinCount to MaxCount as the subnet has room',
        source: action('RunInstances'),
        test: [REGION, 'launch as many as the subnet has room for, from MinCount on'],
      },
      {
        rule: 'Interfaces with DeleteOnTermination go with their instance, the others become available',
        source: action('TerminateInstances'),
        test: [REGION, 'take their primary interface with them, and leave the others'],
      },
      {
        rule: 'A terminated instance is described for an hour, without a network',
        source: action('DescribeInstances'),
        test: [REGION, 'are described as terminated for an hour'],
      },
      {
        rule: 'Limits of each type are those of DescribeInstanceTypes',
        codes: ['InvalidInstanceType'],
        source: action('DescribeInstanceTypes'),
        test: [DESCRIBE, 'say of a type what EC2 says'],
      },
      {
        rule: 'At most 50 tags; keys of 128, values of 256 characters; none that begin with `aws:`; all resources or none',
        codes: ['TagLimitExceeded'],
        source: PAGES.tags,
        test: [DESCRIBE, 'change nothing where one resource is missing'],
      },
      {
        rule: 'IMDSv2: tokens with a life, of one instance, needed for everything',
        source: PAGES.metadata,
        test: [METADATA, 'end with their life and do not pass to another instance'],
      },
      {
        rule: 'Metadata tells each interface as EC2 describes it',
        source: PAGES.metadata,
        test: [METADATA, 'tells each interface as EC2 describes it'],
      },
    ],
  },
];

/** What EC2 has, or does, and the emulator does not. */
export const NOT_MODELLED: readonly string[] = [
  'Actions that are not in the list above, among them route tables, gateways, public and elastic addresses, rules of security groups, launch templates, placement groups.',
  'A default VPC: a region begins empty.',
  'Stopped and starting instances: an instance runs at once, or is terminated. `attaching` and `detaching` are passed through at once; a link of `--fabric` can be late, and answers can be.',
  'Throttling by the number of instances that are asked for (the guide’s second mechanism).',
  'IPv6 subnets of other sizes than /64, IPv6-only subnets, primary IPv6 addresses, IPAM pools.',
  'Zones: three, `a` to `c`, whose ids follow their names; at AWS they differ from account to account.',
  'Permissions: any key that is accepted may do everything. Shared subnets and other accounts.',
  'The words of messages: codes and statuses are EC2’s, messages name what is wrong and are not copied from it.',
  'Whether AWS really does what it documents: nobody has compared the emulator with AWS itself. `npm run test:localstack -- --real` would.',
];
