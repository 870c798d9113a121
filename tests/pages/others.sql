-- What belongs to people and orders beside the orders themselves. Kinds and states are those that the product writes.
-- %(user)s is the customer whose pages are opened, %(owner)s the owner of the panel, %(n)s how many of each,
-- %(kinds)s all kinds of notifications.

CREATE TEMP TABLE numbers AS SELECT generate_series(1, %(n)s) AS i;
CREATE TEMP TABLE own AS SELECT id, row_number() OVER (ORDER BY id) AS place FROM orders
 WHERE user_id = %(user)s AND status = 'completed' ORDER BY id;
-- The order that is looked at.
CREATE TEMP TABLE shown AS SELECT id FROM own WHERE place = 1;

UPDATE orders SET kind = 'drip' WHERE id IN (SELECT id FROM own WHERE place BETWEEN 2 AND %(n)s + 1);
INSERT INTO drip_feeds (order_id, state, runs, runs_started, interval_minutes, quantity_per_run, next_run_at)
SELECT id, 'completed', 5, 5, 60, quantity / 5, now() FROM orders WHERE kind = 'drip';
UPDATE orders SET parent_id = (SELECT min(id) FROM orders WHERE kind = 'drip')
 WHERE id IN (SELECT id FROM own WHERE place BETWEEN %(n)s + 2 AND 2 * %(n)s + 1);
UPDATE orders SET kind = 'subscription', link = 'https://instagram.com/made',
       fields = '{"username": "made", "min": "100", "max": "200", "posts": "10", "delay": "0", "expiry": ""}'
 WHERE id IN (SELECT id FROM own WHERE place BETWEEN 2 * %(n)s + 2 AND 3 * %(n)s + 1);
UPDATE orders SET unconfirmed = true, status = 'submitting', external_id = NULL, check_at = NULL
 WHERE id IN (SELECT id FROM orders WHERE status = 'in_progress' ORDER BY id LIMIT %(n)s);

INSERT INTO refills (order_id, user_id, state, finished_at)
SELECT id, %(user)s, 'completed', now() FROM own ORDER BY place DESC LIMIT %(n)s;
INSERT INTO refills (order_id, user_id, state, finished_at) SELECT id, %(user)s, 'rejected', now() FROM shown, numbers;
INSERT INTO cancel_requests (order_id, user_id, state, finished_at) SELECT id, %(user)s, 'rejected', now() FROM shown, numbers;
INSERT INTO order_events (order_id, kind, before, after) SELECT id, 'status', 'processing', 'in_progress' FROM shown, numbers;
INSERT INTO order_attempts (order_id, provider_id, request, outcome)
SELECT id, (SELECT min(id) FROM providers), '{}', 'accepted' FROM shown, numbers;

INSERT INTO users (username, email, password_hash, role, permissions)
SELECT 'member' || i, 'member' || i || '@example.test', '-', 'staff', '{orders.view}' FROM numbers;
INSERT INTO referrers (user_id, referrals, credited) VALUES (%(user)s, %(n)s, 1);
INSERT INTO referrals (referrer_id, referred_id, via, state, signals, mailbox, earned, base, due, credited, created_at)
SELECT %(user)s, id, 'link', 'flagged', '{same_address,same_device}', email, 0, 0, 0, 0, now() FROM users WHERE username LIKE 'member%%';
INSERT INTO commissions (order_id, referral_id, referrer_id, percent, earned, base, due, credited, changed_at)
SELECT id, (SELECT min(id) FROM referrals), %(user)s, 5, 1, 1, 0.05, 0.05, now() FROM own WHERE place <= %(n)s;
UPDATE referrals SET (earned, base, due, credited) = (SELECT sum(earned), sum(base), sum(due), sum(credited) FROM commissions)
 WHERE id = (SELECT min(referral_id) FROM commissions);
INSERT INTO payouts (user_id, amount, state, created_at) SELECT referred_id, 1, 'waiting', now() FROM referrals;
INSERT INTO api_keys (user_id, name, prefix, key_hash, ip_list)
SELECT %(user)s, 'shop ' || i, 'prefix' || i, '\x00', '{192.0.2.1}' FROM numbers;
INSERT INTO login_sessions (user_id, token_hash, ip, user_agent, created_at, last_seen_at, expires_at)
SELECT %(user)s, sha256(CAST(i::text AS bytea)), '192.0.2.1', 'Browser', now(), now(), now() + interval '1 day' FROM numbers;
INSERT INTO login_history (user_id, outcome, ip, user_agent, at)
SELECT %(user)s, 'wrong_password', '192.0.2.1', 'Browser', now() FROM numbers;
INSERT INTO audit_log (actor_id, actor_kind, permission, subject, before, after, ip)
SELECT %(owner)s, 'user', 'users.suspend', 'user:' || %(user)s, '{"state": "active"}',
       '{"state": "suspended"}', '192.0.2.1' FROM numbers;
INSERT INTO notifications (user_id, key, kind, fields, href)
SELECT %(user)s, kind || i, kind, '{"order_id": 1, "service": "Followers", "refunded": "1.00", "currency": "USD", "n": 3,
       "completed": 1, "partial": 1, "canceled": 1, "amount": "1.00", "reason": "Gift", "balance": "1.00", "credited": "1.00", "below": "5.00",
       "ip": "192.0.2.1", "user_agent": "Mozilla/5.0 Firefox/140.0", "tier": "Gold", "percent": "5"}', '/orders'
  FROM numbers, unnest(CAST(%(kinds)s AS text[])) AS kind;
INSERT INTO alerts (kind, subject, level, fields)
SELECT 'provider_low_balance', 'provider:' || i, 'warning',
       '{"provider": "sandbox", "balance": "1.00", "low_balance": "5.00", "currency": "USD"}' FROM numbers;

INSERT INTO service_changes (service_id, field, before, after, cause)
SELECT id, 'rate', '"1.00"', '"1.20"', 'sync' FROM (SELECT id FROM services ORDER BY id LIMIT %(n)s) s;
INSERT INTO service_changes (service_id, field, before, after, cause)
SELECT (SELECT min(id) FROM services), 'rate', '"1.00"', '"1.20"', 'sync' FROM numbers;
INSERT INTO favourites (user_id, service_id) SELECT %(user)s, id FROM (SELECT id FROM services ORDER BY id LIMIT %(n)s) s;
INSERT INTO custom_rates (user_id, service_id, rate)
SELECT %(user)s, id, rate FROM (SELECT id, rate FROM services ORDER BY id LIMIT %(n)s) s;

INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, args)
SELECT 'chores', 'orders.timing.measure_services', 'failed', 3, '{}' FROM numbers;

INSERT INTO payment_methods (gateway, name, currency, minimum, expires_minutes, enabled, options)
VALUES ('sepay', 'VietQR', 'VND', 10000, 60, true, '{"bank": "970416", "account_number": "123456789", "account_name": "NGUYEN VAN A",
        "memo_prefix": "PAY"}');
INSERT INTO deposits (user_id, method_id, gateway, reference, memo_code, memo, amount, currency, wallet_currency, state, shown,
                      note, expires_at)
SELECT %(user)s, m.id, 'sepay', 'REFERENCE' || i, 'C' || i, 'PAY C' || i, 100000, 'VND', 'USD',
       (ARRAY['pending', 'partial', 'paid', 'failed', 'expired', 'reversed'])[1 + i %% 6],
       '{"kind": "transfer", "bank": "970416", "bank_name": "ACB", "account_number": "123456789", "account_name": "A",
         "content": "PAY C1"}', 'Nothing came', now() + interval '1 hour'
  FROM numbers, payment_methods m WHERE m.gateway = 'sepay';
-- One that is paid by a form which the customer's browser sends.
INSERT INTO deposits (user_id, method_id, gateway, reference, amount, currency, wallet_currency, state, shown, expires_at)
SELECT %(user)s, m.id, 'sepay', 'REFERENCEFORM', 100000, 'VND', 'USD', 'pending',
       '{"kind": "form", "url": "https://pay.example/form", "fields": [["amount", "100000"]]}', now() + interval '1 hour'
  FROM payment_methods m WHERE m.gateway = 'sepay';
INSERT INTO gateway_events (gateway, method_id, source, event_key, body, digest, verdict, outcome, note, deposit_id)
SELECT 'sepay', m.id, 'webhook', 'webhook:' || i, '{"id": 1}', '\x00', 'hmac', 'settled', 'late',
       (SELECT min(id) FROM deposits WHERE user_id = %(user)s) FROM numbers, payment_methods m WHERE m.gateway = 'sepay';
INSERT INTO payment_receipts (gateway, method_id, source, external_id, amount, currency, memo, state, reason, deposit_id)
SELECT 'sepay', m.id, 'webhook', 'webhook:' || i || s, 100000, 'VND', 'thanks', s, 'unmatched',
       CASE WHEN s = 'credited' THEN (SELECT min(id) FROM deposits WHERE user_id = %(user)s) END
  FROM numbers, payment_methods m, unnest(ARRAY['credited', 'review', 'dismissed']) AS s WHERE m.gateway = 'sepay';
UPDATE deposits SET received = 90000, credited = 3.6 WHERE id = (SELECT min(id) FROM deposits WHERE user_id = %(user)s);

ANALYZE;

INSERT INTO tiers (name, icon, min_spent, discount, benefits)
SELECT 'Level ' || i, repeat('*', i), (i - 1) * 100, (i - 1) * 2, '["{discount} less"]' FROM generate_series(1, 4) AS i;
INSERT INTO user_spends (user_id, spent, tier_id, tier_level, discount)
SELECT u.id, 150, t.id, 1, t.discount FROM users u, tiers t WHERE t.min_spent = 100;
INSERT INTO user_discounts (user_id, percent, tier_percent) SELECT user_id, 0, discount FROM user_spends
    ON CONFLICT (user_id) DO UPDATE SET tier_percent = excluded.tier_percent;
INSERT INTO invitations (code_hash, beginning, note, uses, max_uses, made_by, created_at)
SELECT decode(md5('invitation' || i), 'hex'), 'abcd', 'Friends', 0, 1, %(owner)s, now() FROM numbers;
INSERT INTO passkeys (user_id, user_handle, credential_id, public_key, sign_count, name, created_at)
SELECT %(user)s, 'handle', decode(md5('passkey' || i), 'hex'), 'key', 1, 'Laptop ' || i, now() FROM numbers WHERE i <= 20;
INSERT INTO outside_identities (user_id, issuer, subject, email, linked_at)
SELECT %(user)s, 'https://issuer.example', 'subject' || i, 'mai@example.com', now() FROM numbers WHERE i <= 20;
INSERT INTO voucher_batches (key, name, amount, currency, codes, uses_each, used, made_by)
SELECT 'key' || i, 'Batch ' || i, 5, 'USD', 1000, 1, CASE WHEN i = 1 THEN %(n)s ELSE 0 END, %(owner)s FROM numbers;
INSERT INTO vouchers (batch_id, code_hash, ending, uses)
SELECT (SELECT min(id) FROM voucher_batches), decode(md5('voucher' || i), 'hex'), 'W3ZC', 1 FROM numbers;
INSERT INTO voucher_redemptions (batch_id, voucher_id, user_id, amount, redeemed_at)
SELECT batch_id, id, %(user)s, 5, now() FROM vouchers;
INSERT INTO bonus_rules (method_id, threshold, percent, maximum, starts_at)
SELECT (SELECT max(id) FROM payment_methods), i, 1, 100, now() FROM numbers WHERE i <= 50;
INSERT INTO coupons (code, percent, max_uses, uses) SELECT 'SPRING' || i, 10, 100, 1 FROM numbers;
INSERT INTO deposit_claims (deposit_id, payer) SELECT min(id), 'NGUYEN VAN A' FROM deposits WHERE user_id = %(user)s;
INSERT INTO deposit_proofs (deposit_id, media_type, size, digest, content)
SELECT (SELECT min(id) FROM deposits WHERE user_id = %(user)s), 'image/jpeg', 4, '\x00', '\xffd8ffd9' FROM numbers WHERE i <= 5;
INSERT INTO payment_confirmations (deed, deposit_id, amount, currency, details, first_by, first_at)
SELECT 'approve', id, 100000, 'VND', '{"note": "seen", "key": "approved"}', %(owner)s, now() FROM deposits WHERE user_id = %(user)s;
INSERT INTO payment_returns (gateway, return_id, external_id, deposit_id, receipt_id, kind, state, currency, said, sent_at)
SELECT 'sepay', 'return' || i, 'webhook:1credited', r.deposit_id, r.id, 'refund', 'unknown', 'VND', 1000, now()
  FROM numbers, payment_receipts r WHERE r.external_id = 'webhook:1credited';
INSERT INTO fx_rates (base, quote, rate) VALUES ('VND', 'USD', 0.00004) ON CONFLICT DO NOTHING;
