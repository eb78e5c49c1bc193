{{ empty_contract() }}
