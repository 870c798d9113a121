// Gateways' own libraries for Node.js, in a process of their own. One line of JSON comes for each call, and one goes back.
// The first argument names the package.json beside which they are installed.
"use strict";

const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");

const need = createRequire(process.argv[2]);

const libraries = {
  midtrans({ url, key }) {
    const { Snap } = need("midtrans-client");
    const snap = new Snap({ isProduction: false, serverKey: key });
    snap.apiConfig.getCoreApiBaseUrl = () => url;
    snap.apiConfig.getSnapApiBaseUrl = () => `${url}/snap/v1`;
    const orders = snap.transaction;
    return {
      create: (page) => snap.createTransaction(page),
      status: (order) => orders.status(order),
      cancel: (order) => orders.cancel(order),
      refund: (order, wanted) => orders.refund(order, wanted),
      read: (message) => orders.notification(message),
    };
  },

  sepay({ url, merchant, key }) {
    const { SePayPgClient } = need("sepay-pg-node");
    const client = new SePayPgClient({ env: "sandbox", merchant_id: merchant, secret_key: key });
    SePayPgClient.baseApiUrl = `${url}/v1`;
    const said = async (answer) => (await answer).data;
    return {
      sign: (fields) => client.checkout.signFields(fields),
      form: (fields) => Object.entries(client.checkout.initOneTimePaymentFields(fields)),
      list: () => said(client.order.all()),
      order: (number) => said(client.order.retrieve(number)),
      void: (number) => said(client.order.voidTransaction(number)),
      cancel: (number) => said(client.order.cancel(number)),
    };
  },

  vietqr() {
    const { QRPay } = need("vietnam-qr-pay");
    const made = ([bankBin, bankNumber, amount, purpose]) =>
      QRPay.initVietQR({ bankBin, bankNumber, amount: amount ?? undefined, purpose: purpose ?? undefined }).build();
    const read = (payload) => {
      const code = new QRPay(payload);
      const found = [code.consumer.bankBin, code.consumer.bankNumber, code.amount, code.additionalData.purpose];
      return [code.isValid, ...found.map((one) => one ?? null)];
    };
    return { make: (rows) => rows.map(made), read: (rows) => rows.map(read) };
  },
};

async function answered({ library, setup, call, given }) {
  const calls = libraries[library](setup);
  try {
    return { result: (await calls[call](...given)) ?? null };
  } catch (wrong) {
    return { wrong: wrong.name, because: wrong.message };
  }
}

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answered(JSON.parse(line)))}\n`);
  }
})();
