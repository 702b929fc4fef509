import { credentialsUnavailable } from './credential-errors.ts';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { CloudErrorCode } from '../errors.ts';
import { abortedError, classify, cloudErrorFrom } from './map-errors.ts';
import { fromSdkError } from './sdk-errors.ts';

const TABLE: readonly (readonly [string, number, CloudErrorCode])[] = [
  ['InsufficientFreeAddressesInSubnet', 400, 'subnet-exhausted'],
  ['InsufficientCidrBlocks', 400, 'no-free-prefix'],
  ['AttachmentLimitExceeded', 400, 'interface-limit'],
  ['PrivateIpAddressLimitExceeded', 400, 'address-limit'],
  ['NetworkInterfaceLimitExceeded', 400, 'denied'],
  ['RequestLimitExceeded', 503, 'throttled'],
  ['Throttling', 400, 'throttled'],
  ['ThrottlingException', 400, 'throttled'],
  ['EC2ThrottledException', 503, 'throttled'],
  ['UnauthorizedOperation', 403, 'denied'],
  ['AuthFailure', 401, 'denied'],
  ['RequestExpired', 400, 'denied'],
  ['SomethingNewAndForbidden', 403, 'denied'],
  ['OperationNotPermitted', 403, 'invalid'],
  ['InvalidNetworkInterfaceID.NotFound', 400, 'not-found'],
  ['InvalidAttachmentID.NotFound', 400, 'not-found'],
  ['InvalidSubnetID.NotFound', 400, 'not-found'],
  ['InvalidNetworkInterface.InUse', 400, 'in-use'],
  ['InvalidIPAddress.InUse', 400, 'in-use'],
  ['DependencyViolation', 400, 'in-use'],
  ['IncorrectState', 400, 'in-use'],
  ['InvalidParameterValue', 400, 'invalid'],
  ['InvalidNetworkInterfaceId.Malformed', 400, 'invalid'],
  ['IdempotentParameterMismatch', 400, 'invalid'],
  ['InternalError', 500, 'unavailable'],
  ['ServiceUnavailable', 503, 'unavailable'],
  ['NeverHeardOf', 400, 'invalid'],
  ['NeverHeardOf', 500, 'unavailable'],
  ['constructor', 400, 'invalid'],
];

describe('classify', () => {
  it.each(TABLE)('%s with HTTP %i is %s', (ec2Code, status, code) => {
    expect(classify({ ec2Code, status, message: '' })).toBe(code);
  });

  it('an answer without a code says nothing about the request, unless it forbids or throttles', () => {
    const of = (status: number | undefined) => classify({ ec2Code: undefined, status, message: '' });
    expect([of(undefined), of(200), of(302), of(404), of(503)]).toEqual(Array.from({ length: 5 }, () => 'unavailable'));
    expect([of(403), of(429)]).toEqual(['denied', 'throttled']);
  });

  it('unassigning what is not there is not-found', () => {
    const message = 'Some of [10.0.0.9] are not assigned to interface eni-1';
    expect(classify({ ec2Code: 'InvalidParameterValue', status: 400, message })).toBe('not-found');
  });

  it('reads a refused deletion of an attached interface as in-use, under either code', () => {
    const message = "Network interface 'eni-1' is currently in use.";
    for (const ec2Code of ['InvalidParameterValue', 'InvalidNetworkInterface.InUse'])
      expect(classify({ ec2Code, status: 400, message })).toBe('in-use');
  });

  it('is total', () => {
    fc.assert(
      fc.property(
        fc.option(fc.string(), { nil: undefined }),
        fc.option(fc.integer(), { nil: undefined }),
        (ec2Code, status) => {
          expect(cloudErrorFrom('X', { ec2Code, status, message: 'm' }).retry).toMatch(/^(now|later|never)$/);
        },
      ),
    );
  });
});

describe('messages', () => {
  it("keep EC2's code, text and request id", () => {
    const error = cloudErrorFrom('AssignPrivateIpAddresses', {
      ec2Code: 'InsufficientCidrBlocks',
      status: 400,
      message: 'There are no blocks left.',
      requestId: 'r-1',
    });
    expect(error.message).toBe(
      'AssignPrivateIpAddresses: InsufficientCidrBlocks: There are no blocks left. (request id r-1)',
    );
    expect(error).toMatchObject({ ec2Code: 'InsufficientCidrBlocks', operation: 'AssignPrivateIpAddresses' });
  });

  it('of an abort keep the reason', () => {
    const error = abortedError('DescribeSubnets', AbortSignal.abort(new Error('stopping')));
    expect(error).toMatchObject({ code: 'aborted', message: expect.stringContaining('stopping') });
  });
});

describe('fromSdkError', () => {
  it("takes no other error's name for an EC2 code", () => {
    const parse = Object.assign(new SyntaxError('bad\n  advice'), { $metadata: { httpStatusCode: 400 } });
    expect(fromSdkError('X', parse)).toMatchObject({ code: 'unavailable', ec2Code: undefined });
    expect(fromSdkError('X', parse).message).not.toContain('advice');
    const reset = Object.assign(new Error('socket hang up'), { name: 'TimeoutError', code: 'ECONNRESET' });
    expect(fromSdkError('X', reset)).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNRESET'),
    });
    expect(fromSdkError('X', 'not even an error')).toMatchObject({ code: 'unavailable' });
    const missing = Object.assign(new Error('Could not load'), { name: 'CredentialsProviderError' });
    expect(fromSdkError('X', credentialsUnavailable({}, missing))).toMatchObject({
      code: 'denied',
      message: expect.stringContaining('X: no credentials from the role of the instance: Could not load; attach'),
    });
  });
});
