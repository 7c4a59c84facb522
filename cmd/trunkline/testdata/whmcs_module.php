<?php
// A WHMCS server module as a provider would write one for Trunkline, with the functions and parameters
// that WHMCS has, and cURL with a time-out of 5 s. The tests run it as WHMCS would:
//
//   php whmcs_module.php CreateAccount < params.json
//
// It prints as JSON what the function returned.
declare(strict_types=1);

const TIMEOUT_SECONDS = 5;

/** Calls Trunkline; returns [HTTP status, decoded body, cURL's error or '']. */
function trunkline_call(array $params, string $method, string $path, array $fields = []): array
{
    $scheme = $params['serversecure'] ? 'https' : 'http';
    $url = "$scheme://{$params['serverhostname']}:{$params['serverport']}$path";
    $headers = ['Accept: application/json'];
    $curl = curl_init();
    if ($params['serveraccesshash'] !== '') {
        $headers[] = 'Authorization: Bearer ' . trim($params['serveraccesshash']);
    } elseif ($params['serverusername'] !== '') {
        curl_setopt($curl, CURLOPT_USERPWD, $params['serverusername'] . ':' . $params['serverpassword']);
    }
    if ($method === 'POST') {
        curl_setopt($curl, CURLOPT_POSTFIELDS, http_build_query($fields));
    } elseif ($fields) {
        $url .= '?' . http_build_query($fields);
    }
    curl_setopt_array($curl, [
        CURLOPT_URL => $url,
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_HTTPHEADER => $headers,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => TIMEOUT_SECONDS,
    ]);
    $body = curl_exec($curl);
    $error = $body === false ? 'cURL ' . curl_errno($curl) . ': ' . curl_error($curl) : '';
    return [(int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE), json_decode((string) $body, true) ?? [], $error];
}

/** What WHMCS is to be told: the literal success, or what a person has to know. */
function trunkline_outcome(array $answer): string
{
    [$status, $body, $error] = $answer;
    if ($error !== '') {
        return $error;
    }
    if ($status === 200) {
        return 'success';
    }
    return $body['message'] ?? $body['detail'] ?? "HTTP $status";
}

function trunkline_TestConnection(array $params): array
{
    [, $body, $error] = trunkline_call($params, 'POST', '/chkcon.php');
    return ['success' => ($body['success'] ?? 0) === 1, 'error' => $error !== '' ? $error : ($body['success'] ?? 0 ? '' : $body['message'] ?? 'no answer')];
}

function trunkline_CreateAccount(array $params): string
{
    $answer = trunkline_call($params, 'POST', '/app/gateways/provision.php', [
        'external_id' => (string) $params['serviceid'],
        'tenant_domain' => $params['domain'],
        'gateway_name' => 'service-' . $params['serviceid'],
        'gateway_domain' => $params['configoption1'],
        'gateway_username' => $params['username'],
        'gateway_password' => $params['password'],
    ]);
    if ($answer[0] === 200) {
        fwrite(STDERR, $answer[1]['gateway_uuid'] . "\n"); // a module would keep it with the service
    }
    return trunkline_outcome($answer);
}

/** Suspends or unsuspends: the same request may come any number of times, and needs no key. */
function trunkline_enable(array $params, string $enabled): string
{
    return trunkline_outcome(trunkline_call($params, 'POST', '/app/gateways/provision.php', [
        'tenant_domain' => $params['domain'],
        'gateway_name' => 'service-' . $params['serviceid'],
        'gateway_enabled' => $enabled,
    ]));
}

function trunkline_SuspendAccount(array $params): string
{
    return trunkline_enable($params, 'false');
}

function trunkline_UnsuspendAccount(array $params): string
{
    return trunkline_enable($params, 'true');
}

function trunkline_TerminateAccount(array $params): string
{
    return trunkline_outcome(trunkline_call($params, 'DELETE', '/v1/gateways', [
        'tenant_domain' => $params['domain'],
        'gateway_name' => 'service-' . $params['serviceid'],
    ]));
}

function trunkline_UsageUpdate(array $params): array
{
    [, $body] = trunkline_call($params, 'GET', '/v1/usage', ['date_start' => $params['date_start'], 'date_end' => $params['date_end']]);
    return $body;
}

$params = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
echo json_encode(call_user_func('trunkline_' . $argv[1], $params), JSON_THROW_ON_ERROR), "\n";
