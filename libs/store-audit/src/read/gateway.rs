//! The payment gateway: what it has of each booking's money, as it says itself.

use std::time::Duration;

use payment_gateway_client::wire::PaymentState;
use payment_gateway_client::{GatewayClient, GatewayError};

use super::{CALL, ReadError};
use crate::records::PaymentRow;

/// Payments read in one page.
const PAGE: usize = 1_000;

/// How long one page may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The gateway.
pub(crate) struct GatewayReader {
    client: GatewayClient,
}

impl GatewayReader {
    pub(crate) fn new(url: &str) -> Result<Self, ReadError> {
        let client = GatewayClient::new(url, PATIENCE);
        Ok(Self { client: client.map_err(|error| ReadError::of("payment-gateway")(&error))? })
    }

    /// Every payment.
    pub(crate) async fn read(&self) -> Result<Vec<PaymentRow>, ReadError> {
        let wrong = ReadError::of("payment-gateway");
        let read = tokio::time::timeout(CALL, self.pages()).await;
        read.map_err(|late| wrong(&late))?.map_err(|error| wrong(&error))
    }

    async fn pages(&self) -> Result<Vec<PaymentRow>, GatewayError> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.client.payments(after.as_ref(), PAGE).await?;
            rows.extend(page.payments.iter().map(|payment| PaymentRow {
                booking: payment.reference.booking(),
                taken: match payment.state {
                    PaymentState::Captured => payment.amount,
                    PaymentState::Declined | PaymentState::Authorised | PaymentState::Voided => 0,
                },
                given_back: payment.refunded(),
            }));
            after = page.next_after;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }
}
