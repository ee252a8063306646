"""Examples for the OpenAPI document: the code of a restaurant's bill, made and read."""

from typing import Any

CODE_REQUEST: dict[str, Any] = {
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "merchant_name": "Corner Shop",
    "merchant_city": "Qingdao",
    "country": "CN",
    "category": "5812",
    "amount": 1250,
    "tip": {"kind": "prompt"},
    "bill_number": "4711",
    "terminal_label": "till-3",
    "language": {"language": "zh", "merchant_name": "街角小店", "merchant_city": "青岛"},
}

# A tag a line: format, initiation, merchant account, category, currency, amount, tip, country,
# name, city, additional data, other language, checksum.
PAYLOAD = (
    "000201"
    "010212"
    "2672003268ffc5d3dc1c4eae9c9710a982010ec501320192f0c15a3e7cc09b226e1d4bae2f02"
    "52045812"
    "5303156"
    "540512.50"
    "550201"
    "5802CN"
    "5911Corner Shop"
    "6007Qingdao"
    "6218010447110706till-3"
    "64200002zh0104街角小店0202青岛"
    "63044ABB"
)

CODE: dict[str, Any] = {"payload": PAYLOAD, "png": None, "svg": None}

DECODED_CODE: dict[str, Any] = {
    "initiation": "dynamic",
    "currency": "CNY",
    "amount": 1250,
    "tip": {"kind": "prompt", "amount": None, "basis_points": None},
    "country": "CN",
    "merchant_name": "Corner Shop",
    "merchant_city": "Qingdao",
    "postal_code": None,
    "category": "5812",
    "bill_number": "4711",
    "mobile_number": None,
    "store_label": None,
    "loyalty_number": None,
    "reference_label": None,
    "customer_label": None,
    "terminal_label": "till-3",
    "purpose": None,
    "consumer_data_request": None,
    "merchant_tax_id": None,
    "merchant_channel": None,
    "language": {
        "language": "zh",
        "merchant_name": "街角小店",
        "merchant_city": "青岛",
        "reserved": [],
    },
    "merchant_accounts": [
        {
            "tag": "26",
            "value": None,
            "identifier": "68ffc5d3dc1c4eae9c9710a982010ec5",
            "fields": [{"tag": "01", "value": "0192f0c15a3e7cc09b226e1d4bae2f02"}],
        }
    ],
    "additional_templates": [],
    "additional_reserved": [],
    "unreserved_templates": [],
    "reserved": [],
    "account": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
}

CONSUMER_CODE_REQUEST: dict[str, Any] = {
    "account": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
    "payment_limit": 5000,
    "valid_s": 60,
}

# Format indicator; application template with its name and, in the transparent template, the code.
CONSUMER_PAYLOAD = "hQVDUFYwMWEgTxDwaP/F09wcTq6clxCpggEBYwzfQQkgSBYyZBKCVlE="

CONSUMER_CODE: dict[str, Any] = {
    "code": "204816326412825651",
    "mandate": "1710b64b-bc21-8f2c-ba05-422c55f5d9fc",
    "account": "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01",
    "payment_limit": 5000,
    "currency": "CNY",
    "not_after": "2026-11-01T08:01:00.000000Z",
    "emv": CONSUMER_PAYLOAD,
}

DECODED_CONSUMER_CODE: dict[str, Any] = {
    "code": "204816326412825651",
    "applications": [
        {
            "name": "F068FFC5D3DC1C4EAE9C9710A9820101",
            "fields": [{"tag": "61.63.DF41", "value": "204816326412825651"}],
        }
    ],
    "fields": [],
}
